//! Links the lower crates without the standard library.
#![no_std]

use daisy_block as _;
use daisy_geometry as _;
use daisy_graph as _;
use daisy_sched as _;

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
