//! Segments a volume block by block: smooth, label, stitch, merge, relabel.
//!
//! `cargo run --profile demo -p segment` makes a phantom under `target/segment`, segments it,
//! compares the result with the same computation on the whole volume at once, and draws a picture.

mod arguments;
mod input;
mod ops;
mod phantom;
mod picture;
mod pipeline;
mod reference;
#[cfg(test)]
mod tests;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::Instant,
};

use daisy::{BoxError, Context, Fit, RunOptions};
use daisy_array::{Array, ArraySpec, Dtype, IfExists};
use ndarray::Axis;

use arguments::Arguments;
use input::Input;
use picture::{Grid, Panel, write_picture};
use pipeline::{Segmentation, Settings, Volumes};

/// The size of the phantom: some ten seconds on two cores.
const PHANTOM: [usize; 3] = [256, 448, 512];
const SEED: u64 = 1;

fn main() -> ExitCode {
    match run() {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

fn run() -> Result<u8, BoxError> {
    let Some(arguments) = Arguments::parse(std::env::args().skip(1))? else {
        println!("{}", arguments::HELP);
        return Ok(0);
    };
    // Worker processes, and runs that go on, find everything there.
    let goes_on = arguments.journal.as_deref().is_some_and(Path::exists);
    let is_fresh = Context::from_env().is_err() && !goes_on;
    let volume = match &arguments.input {
        Some(path) => Array::open(path)?,
        None if is_fresh => make_phantom(&arguments.output)?,
        None => Array::open(phantom_path(&arguments.output))?,
    };
    println!("volume {} of {} voxels", volume.path().display(), volume.shape());
    let settings = arguments.settings();
    check_fit(&volume, &settings)?;
    let segmentation =
        Segmentation::create(Input::new(volume)?, &arguments.output, settings.clone(), is_fresh)?;
    let last = segmentation.tasks()?;
    daisy::worker::serve(std::slice::from_ref(&last))?;
    let mut options = RunOptions::new();
    if let Some(journal) = &arguments.journal {
        options = options.journal(journal);
    }
    let report = options
        .logs(arguments.output.join("logs"))
        .order(arguments.order)
        .serial(arguments.serial)
        .handle_interrupt(true)
        .progress(true)
        .run(&[last])?;
    println!("{report}");
    if !report.is_success() {
        return Ok(report.exit_code());
    }
    println!("{} objects", segmentation.mapping()?.count());
    let volumes = segmentation.volumes()?;
    let path = arguments.output.join("segment.png");
    draw(&path, &settings, &volumes)?;
    println!("picture {}", path.display());
    if arguments.check {
        return compare(&segmentation, &settings, &volumes);
    }
    Ok(0)
}

/// A phantom as a Zarr array, made anew each time: the same every time.
fn make_phantom(folder: &Path) -> Result<Array, BoxError> {
    let spec = ArraySpec::new(PHANTOM.map(|length| length as i64), Dtype::U8)
        .chunk_shape([64, 64, 64])
        .voxel_size([8, 8, 8])
        .axis_names(["z", "y", "x"])
        .units(["nm", "nm", "nm"]);
    std::fs::create_dir_all(folder)?;
    let array = Array::create(phantom_path(folder), &spec, IfExists::Overwrite)?;
    array.write(array.roi(), phantom::phantom(PHANTOM, SEED).view())?;
    Ok(array)
}

fn phantom_path(folder: &Path) -> PathBuf {
    folder.join("phantom.zarr")
}

/// With `valid`, blocks that do not divide the volume would leave a part of it out.
fn check_fit(volume: &Array, settings: &Settings) -> Result<(), BoxError> {
    let shape = volume.shape();
    let divides = shape.iter().zip(settings.block).all(|(length, block)| length % block == 0);
    if settings.fit == Fit::Valid && !divides {
        let block = settings.block;
        let text = format!(
            "--fit valid: blocks of {block:?} voxels do not divide a volume of {shape}, the rest would \
             be left out; use shrink or overhang, or another --block"
        );
        return Err(text.into());
    }
    Ok(())
}

/// Input, smoothed and labels of the middle section beside each other.
fn draw(path: &Path, settings: &Settings, volumes: &Volumes) -> Result<(), BoxError> {
    let Volumes { input, smoothed, labels } = volumes;
    let middle = input.len_of(Axis(0)) / 2;
    let panels = [
        Panel::grey("input", &input.index_axis(Axis(0), middle)),
        Panel::grey("smoothed", &smoothed.index_axis(Axis(0), middle)),
        Panel::labels("labels", &labels.index_axis(Axis(0), middle)),
    ];
    let [_, y, x] = settings.block.map(|length| length as usize);
    Ok(write_picture(path, &panels, &Grid { first: [0, 0], step: [y, x] })?)
}

/// Whether the result is what the whole volume gives at once.
fn compare(
    segmentation: &Arc<Segmentation>,
    settings: &Settings,
    volumes: &Volumes,
) -> Result<u8, BoxError> {
    let begin = Instant::now();
    let whole = reference::segment(&volumes.input, &settings.kernel, settings.threshold);
    if whole.smoothed != volumes.smoothed {
        println!("CHECK FAILED: the smoothed volumes differ");
        return Ok(1);
    }
    if let Err(difference) = reference::equal_up_to_renaming(&volumes.labels, &whole.labels) {
        println!("CHECK FAILED: {difference}");
        return Ok(1);
    }
    let (count, time) = (segmentation.mapping()?.count(), begin.elapsed().as_secs_f64());
    println!("check: all {count} objects equal those of the whole volume at once ({time:.1} s)");
    Ok(0)
}
