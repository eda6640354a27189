//! On macOS a module that is loaded by an interpreter needs linker arguments of its own.

fn main() {
    pyo3_build_config::add_extension_module_link_args();
}
