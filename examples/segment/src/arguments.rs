//! The command line.

use std::{path::PathBuf, str::FromStr, thread};

use daisy::{BoxError, Fit, Order};

use super::{ops::Kernel, pipeline::Settings};

pub(crate) const HELP: &str = "\
segment [OPTIONS]

  --input PATH.zarr   the volume; without it a phantom is made
  --output DIR        where everything goes [target/segment]
  --workers N         threads of each task [one per core]
  --processes N       run the blocks in N processes of each task instead
  --journal FILE      keep a journal: a run that was interrupted, or killed, goes on
  --order ORDER       sweep, level or morton [sweep]
  --fit FIT           shrink, overhang or valid [shrink]
  --block Z,Y,X       voxels of a block [64,64,64]
  --threshold T       least brightness, 0 to 255, of an object [90]
  --radius R          reach of the smoothing in voxels, 0 to 4 [2]
  --serial            run everything on one thread
  --check             compare with the whole volume at once (done for the phantom anyway)
  --no-check          do not
  --help              this text";

/// What was asked for.
pub(crate) struct Arguments {
    pub(crate) input: Option<PathBuf>,
    pub(crate) output: PathBuf,
    pub(crate) journal: Option<PathBuf>,
    pub(crate) order: Order,
    pub(crate) serial: bool,
    pub(crate) check: bool,
    settings: Settings,
}

impl Arguments {
    /// What the words say; None if they ask for help.
    pub(crate) fn parse(words: impl Iterator<Item = String>) -> Result<Option<Self>, BoxError> {
        let mut words = words.peekable();
        let workers = thread::available_parallelism().map_or(1, |cores| cores.get() as u32);
        let mut kernel = kernel("2")?;
        let (mut input, mut output) = (None, PathBuf::from("target/segment"));
        let (mut journal, mut processes) = (None, None);
        let (mut order, mut serial, mut check) = (Order::Sweep, false, None);
        let (mut block, mut fit, mut threshold) = ([64; 3], Fit::Shrink, 90);
        let mut workers = workers;
        while let Some(word) = words.next() {
            let mut value =
                || words.next().ok_or_else(|| format!("{word} needs a value; see --help"));
            match word.as_str() {
                "--help" | "-h" => return Ok(None),
                "--input" => input = Some(PathBuf::from(value()?)),
                "--output" => output = PathBuf::from(value()?),
                "--workers" => workers = parse(&word, &value()?)?,
                "--processes" => processes = Some(parse(&word, &value()?)?),
                "--journal" => journal = Some(PathBuf::from(value()?)),
                "--order" => order = value()?.parse()?,
                "--fit" => fit = value()?.parse()?,
                "--block" => block = block_of(&value()?)?,
                "--threshold" => threshold = parse(&word, &value()?)?,
                "--radius" => kernel = self::kernel(&value()?)?,
                "--serial" => serial = true,
                "--check" => check = Some(true),
                "--no-check" => check = Some(false),
                _ => return Err(format!("unknown option {word}; see --help").into()),
            }
        }
        let check = check.unwrap_or(input.is_none());
        let settings = Settings { block, fit, workers, processes, threshold, kernel };
        Ok(Some(Self { input, output, journal, order, serial, check, settings }))
    }

    pub(crate) fn settings(&self) -> Settings {
        self.settings.clone()
    }
}

fn parse<T: FromStr>(option: &str, value: &str) -> Result<T, BoxError> {
    value
        .parse()
        .map_err(|_| format!("{option} {value}: not a number that fits; see --help").into())
}

fn kernel(radius: &str) -> Result<Kernel, BoxError> {
    let most = Kernel::MAX_RADIUS;
    Kernel::binomial(parse("--radius", radius)?)
        .ok_or_else(|| format!("--radius {radius}: at most {most}").into())
}

fn block_of(value: &str) -> Result<[i64; 3], BoxError> {
    let axes: Result<Vec<i64>, _> = value.split(',').map(|axis| parse("--block", axis)).collect();
    let block: [i64; 3] = axes?.try_into().map_err(|_| "--block needs three numbers: 64,64,64")?;
    if block.iter().any(|length| *length < 1) {
        return Err(format!("--block {value}: every number must be at least 1").into());
    }
    Ok(block)
}
