//! How fast chunks are written and read, against plain zarrs and zarr-python in the same run.
//!
//! ```text
//! cargo run --release -p daisy-array --example speed [-- --python PATH] [--folder PATH] [--rounds N]
//! ```
//!
//! Prints a table, then the same as JSON lines. The folder should lie on the disk that is meant;
//! by default it is a temporary one. In each round another candidate is first, and the median counts. All
//! candidates work in one thread but for "zarrs, all cores".

use std::collections::BTreeMap;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use daisy_array::{Array, ArraySpec, Compression, Dtype, Durability, IfExists, MemoryStore};
use daisy_geometry::Roi;
use ndarray::{Array3, ArrayD};
use zarrs::array::{ArraySubset, CodecOptions};
use zarrs::storage::ReadableWritableStorage;
use zarrs::storage::store::MemoryStore as ZarrsMemory;
use zarrs_filesystem::FilesystemStore;

const LENGTH: i64 = 256;
const CHUNK: i64 = 64;

type Failure = Box<dyn Error>;

/// Seconds of all rounds, by what was done and by whom.
type Times = BTreeMap<(String, String), Vec<f64>>;

fn main() -> Result<(), Failure> {
    let arguments = Arguments::parse()?;
    let temporary = tempfile::tempdir()?;
    let folder = arguments.folder.as_deref().unwrap_or(temporary.path());
    let volume = volume();
    let mut times = Times::new();
    for round in 0..arguments.rounds {
        let folder = folder.join(format!("speed-{}-{round}", std::process::id()));
        std::fs::create_dir(&folder)?;
        round_of_all(&folder, &volume, round, &mut times)?;
        if let Some(python) = &arguments.python {
            run_python(python, &folder, &mut times)?;
        }
        std::fs::remove_dir_all(&folder)?;
    }
    report(&times);
    Ok(())
}

struct Arguments {
    python: Option<PathBuf>,
    folder: Option<PathBuf>,
    rounds: usize,
}

impl Arguments {
    fn parse() -> Result<Self, Failure> {
        let mut parsed = Self { python: None, folder: None, rounds: 6 };
        let mut arguments = std::env::args().skip(1);
        while let Some(name) = arguments.next() {
            let value = arguments.next().ok_or_else(|| format!("{name} needs a value"))?;
            match name.as_str() {
                "--python" => parsed.python = Some(value.into()),
                "--folder" => parsed.folder = Some(value.into()),
                "--rounds" => parsed.rounds = value.parse()?,
                _ => return Err(format!("there is no option {name}").into()),
            }
        }
        Ok(parsed)
    }
}

/// Something like an image: slow changes with noise on top, which compresses by about a half.
fn volume() -> Array3<u8> {
    let side = LENGTH as usize;
    let mut noise = 1u32;
    Array3::from_shape_fn([side; 3], |(z, y, x)| {
        noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        ((z + y / 2 + x / 4) % 128) as u8 + (noise >> 28) as u8
    })
}

/// The corners of blocks of `side` voxels, `shift` voxels away from the borders of chunks.
fn corners(side: i64, shift: i64) -> Vec<[i64; 3]> {
    let steps = || (0..(LENGTH - shift) / side).map(move |step| step * side + shift);
    steps().flat_map(|z| steps().flat_map(move |y| steps().map(move |x| [z, y, x]))).collect()
}

fn roi(corner: [i64; 3], side: i64) -> Result<Roi, Failure> {
    Ok(Roi::new(corner, [side; 3])?)
}

fn subset(corner: [i64; 3], side: i64) -> ArraySubset {
    let ranges = corner.map(|begin| begin as u64..(begin + side) as u64);
    ArraySubset::new_with_ranges(&ranges)
}

fn block(volume: &Array3<u8>, corner: [i64; 3], side: i64) -> ArrayD<u8> {
    let part = volume.slice_each_axis(|axis| {
        let begin = corner[axis.axis.index()] as isize;
        ndarray::Slice::from(begin..begin + side as isize)
    });
    part.to_owned().into_dyn()
}

/// One who writes and reads blocks.
trait Candidate {
    fn write(&self, corner: [i64; 3], side: i64, voxels: &ArrayD<u8>) -> Result<(), Failure>;
    fn read(&self, corner: [i64; 3], side: i64) -> Result<ArrayD<u8>, Failure>;
}

impl Candidate for Array {
    fn write(&self, corner: [i64; 3], side: i64, voxels: &ArrayD<u8>) -> Result<(), Failure> {
        Ok(Self::write(self, &roi(corner, side)?, voxels.view())?)
    }

    fn read(&self, corner: [i64; 3], side: i64) -> Result<ArrayD<u8>, Failure> {
        Ok(Self::read(self, &roi(corner, side)?)?)
    }
}

/// zarrs itself, with the metadata of an array of ours.
struct Plain {
    array: zarrs::array::Array<dyn zarrs::storage::ReadableWritableStorageTraits>,
    options: CodecOptions,
}

impl Plain {
    fn new(store: ReadableWritableStorage, all_cores: bool) -> Result<Self, Failure> {
        let chunk = [CHUNK as u64; 3];
        let mut builder = zarrs::array::ArrayBuilder::new(
            vec![LENGTH as u64; 3],
            chunk,
            zarrs::array::data_type::uint8(),
            0u8,
        );
        builder
            .bytes_to_bytes_codecs(vec![Arc::new(zarrs::array::codec::ZstdCodec::new(3, false))]);
        let array = builder.build(store, "/")?;
        array.store_metadata()?;
        let options = CodecOptions::default();
        let options = match all_cores {
            true => options,
            false => options.with_concurrent_target(1).with_chunk_concurrent_minimum(1),
        };
        Ok(Self { array, options })
    }
}

impl Candidate for Plain {
    fn write(&self, corner: [i64; 3], side: i64, voxels: &ArrayD<u8>) -> Result<(), Failure> {
        let elements = voxels.as_slice().ok_or("not in one piece")?;
        let subset = subset(corner, side);
        Ok(self.array.store_array_subset_opt(&subset, elements, &self.options)?)
    }

    fn read(&self, corner: [i64; 3], side: i64) -> Result<ArrayD<u8>, Failure> {
        Ok(self.array.retrieve_array_subset_opt(&subset(corner, side), &self.options)?)
    }
}

/// A candidate by its name.
type Named = (&'static str, Box<dyn Candidate>);

fn candidates(folder: &Path) -> Result<Vec<Named>, Failure> {
    let spec = ArraySpec::new([LENGTH; 3], Dtype::U8)
        .chunk_shape([CHUNK; 3])
        .compression(Compression::Zstd { level: 3 });
    let ours = |name: &str| Array::create(folder.join(name), &spec, IfExists::Error);
    let memory = Array::create(MemoryStore::new().at("a"), &spec, IfExists::Error)?;
    let files = |name: &str| -> Result<ReadableWritableStorage, Failure> {
        std::fs::create_dir(folder.join(name))?;
        Ok(Arc::new(FilesystemStore::new(folder.join(name))?))
    };
    Ok(vec![
        ("daisy, Process", Box::new(ours("process")?)),
        ("daisy, Power", Box::new(ours("power")?.with_durability(Durability::Power))),
        ("zarrs, one thread", Box::new(Plain::new(files("zarrs")?, false)?)),
        ("zarrs, all cores", Box::new(Plain::new(files("zarrs-all")?, true)?)),
        ("daisy, memory", Box::new(memory)),
        ("zarrs, memory", Box::new(Plain::new(Arc::new(ZarrsMemory::new()), false)?)),
    ])
}

fn round_of_all(
    folder: &Path,
    volume: &Array3<u8>,
    round: usize,
    times: &mut Times,
) -> Result<(), Failure> {
    for (side, name) in [(2 * CHUNK, "128^3"), (CHUNK, "64^3")] {
        let folder = folder.join(name);
        std::fs::create_dir(&folder)?;
        let mut candidates = candidates(&folder)?;
        // Nobody is always first, or always after whoever syncs.
        let first = round % candidates.len();
        candidates.rotate_left(first);
        let corners = corners(side, 0);
        let blocks: Vec<ArrayD<u8>> =
            corners.iter().map(|corner| block(volume, *corner, side)).collect();
        for what in ["write", "overwrite"] {
            for (who, candidate) in &candidates {
                let start = Instant::now();
                for (corner, voxels) in corners.iter().zip(&blocks) {
                    candidate.write(*corner, side, voxels)?;
                }
                record(times, format!("{what} {name}, aligned"), who, start);
            }
        }
        for (who, candidate) in &candidates {
            let start = Instant::now();
            let mut same = true;
            for (corner, voxels) in corners.iter().zip(&blocks) {
                same &= candidate.read(*corner, side)? == *voxels;
            }
            record(times, format!("read {name}, aligned"), who, start);
            if !same {
                return Err(format!("{who} read something else than it wrote").into());
            }
            let start = Instant::now();
            for corner in self::corners(side, CHUNK / 2) {
                candidate.read(corner, side)?;
            }
            record(times, format!("read {name}, unaligned"), who, start);
        }
    }
    Ok(())
}

fn record(times: &mut Times, what: String, who: &str, start: Instant) {
    times.entry((what, who.to_owned())).or_default().push(start.elapsed().as_secs_f64());
}

/// The same blocks with zarr-python, timed in its own process.
const SCRIPT: &str = r#"
import sys, time, numpy as np, zarr
from zarr.codecs import ZstdCodec
zarr.config.set({"async.concurrency": 1, "threading.max_workers": 1})
L, C = 256, 64
z, y, x = np.ogrid[:L, :L, :L]
v = ((z + y // 2 + x // 4) % 128 + np.random.default_rng(1).integers(0, 16, (L,)*3)).astype("u1")
def blocks(side, shift):
    steps = range(shift, shift + (L - shift) // side * side, side)
    return [tuple(slice(b, b + side) for b in (z, y, x)) for z in steps for y in steps for x in steps]
def timed(what, work):
    start = time.perf_counter()
    work()
    print(what, time.perf_counter() - start, sep="\t")
for side, name in ((C, "64^3"), (2 * C, "128^3")):
    a = zarr.create_array(sys.argv[1] + name, shape=(L,)*3, chunks=(C,)*3, dtype="uint8",
        compressors=[ZstdCodec(level=3)])
    parts = [(s, np.ascontiguousarray(v[s])) for s in blocks(side, 0)]
    def write():
        for s, b in parts: a[s] = b
    def read():
        for s, b in parts: assert np.array_equal(a[s], b)
    def unaligned():
        for s in blocks(side, C // 2): a[s]
    timed(f"write {name}, aligned", write)
    timed(f"overwrite {name}, aligned", write)
    timed(f"read {name}, aligned", read)
    timed(f"read {name}, unaligned", unaligned)
"#;

fn run_python(python: &Path, folder: &Path, times: &mut Times) -> Result<(), Failure> {
    let output =
        Command::new(python).args(["-c", SCRIPT]).arg(folder.join("python.zarr")).output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
    }
    for line in String::from_utf8(output.stdout)?.lines() {
        let (what, seconds) = line.split_once('\t').ok_or("no time in a line")?;
        let key = (what.to_owned(), "zarr-python".to_owned());
        times.entry(key).or_default().push(seconds.parse()?);
    }
    Ok(())
}

fn median(times: &[f64]) -> f64 {
    let mut sorted = times.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Megabytes of voxels that were moved.
fn megabytes(what: &str) -> f64 {
    let side = if what.contains("128") { 2 * CHUNK } else { CHUNK };
    let shift = if what.ends_with("unaligned") { CHUNK / 2 } else { 0 };
    (corners(side, shift).len() as i64 * side * side * side) as f64 / 1e6
}

fn report(times: &Times) {
    let reference = |what: &str, who: &str| {
        let whose = if who.ends_with("memory") { "zarrs, memory" } else { "zarrs, one thread" };
        times.get(&(what.to_owned(), whose.to_owned())).map_or(f64::NAN, |times| median(times))
    };
    println!("| what | who | MB/s | time against plain zarrs |");
    println!("|---|---|---|---|");
    for ((what, who), times) in times {
        let (median, ratio) = (median(times), median(times) / reference(what, who));
        println!("| {what} | {who} | {:.0} | {ratio:.2} |", megabytes(what) / median);
    }
    println!();
    for ((what, who), times) in times {
        println!(
            "{{\"what\": \"{what}\", \"who\": \"{who}\", \"median_s\": {:.6}, \"mb_per_s\": {:.1}, \
             \"rounds\": {}}}",
            median(times),
            megabytes(what) / median(times),
            times.len()
        );
    }
}
