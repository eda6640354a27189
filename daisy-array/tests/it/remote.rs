//! Arrays in object stores: HTTP from a small server in this file, which counts what it serves, and
//! S3 from a server of its own on this machine.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use daisy_array::{
    Array, ArrayError, ArraySpec, ChunkSharing, Compression, Dtype, Durability, IfExists, Occupant,
    RemoteStore, S3Options, ZarrVersion,
};
use daisy_geometry::Roi;
use ndarray::{Array3, ArrayD};

use crate::python::python;
use crate::skipped::skipped;

/// Shards of 32^3 of chunks of 8^3, not compressed.
fn sharded() -> ArraySpec {
    ArraySpec::new([64, 64, 64], Dtype::U8)
        .voxel_size([4, 4, 4])
        .chunk_shape([8, 8, 8])
        .shard_shape([32, 32, 32])
        .compression(Compression::None)
}

fn voxels() -> Array3<u8> {
    Array3::from_shape_fn([64, 64, 64], |(z, y, x)| (z * 7 + y * 5 + x * 3) as u8 | 1)
}

/// Serves the files of a folder, ranges of them too, and counts the bytes.
struct Server {
    url: String,
    served: Arc<AtomicU64>,
}

impl Server {
    fn new(folder: &Path) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/files", listener.local_addr().unwrap());
        let served = Arc::new(AtomicU64::new(0));
        let (folder, counter) = (folder.to_path_buf(), served.clone());
        // Ends with the test process.
        std::thread::spawn(move || {
            for connection in listener.incoming().map_while(Result::ok) {
                let (folder, counter) = (folder.clone(), counter.clone());
                std::thread::spawn(move || serve(connection, &folder, &counter));
            }
        });
        Self { url, served }
    }
}

/// Answers the requests of one connection, until one of them is not understood.
fn serve(connection: TcpStream, folder: &Path, served: &AtomicU64) -> Option<()> {
    let mut reader = BufReader::new(connection.try_clone().ok()?);
    let mut connection = connection;
    loop {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).ok()?;
            if line.trim().is_empty() {
                break;
            }
            lines.push(line.trim().to_owned());
        }
        let mut request = lines.first()?.split(' ');
        let (method, path) = (request.next()?, request.next()?.strip_prefix("/files/")?);
        let Ok(file) = fs::read(folder.join(path)) else {
            connection.write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n").ok()?;
            continue;
        };
        let range = lines.iter().find_map(|line| {
            let (name, value) = line.split_once(": bytes=")?;
            name.eq_ignore_ascii_case("range").then(|| value.split_once('-'))?
        });
        let length = file.len();
        let (begin, end) = match range {
            None => (0, length),
            Some(("", suffix)) => (length - suffix.parse::<usize>().ok()?, length),
            Some((begin, "")) => (begin.parse().ok()?, length),
            Some((begin, last)) => {
                (begin.parse().ok()?, length.min(last.parse::<usize>().ok()? + 1))
            }
        };
        let status = match range {
            None => "200 OK".to_owned(),
            Some(_) => {
                format!("206 Partial Content\r\ncontent-range: bytes {begin}-{}/{length}", end - 1)
            }
        };
        let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n", end - begin);
        connection.write_all(head.as_bytes()).ok()?;
        if method == "GET" {
            served.fetch_add((end - begin) as u64, Ordering::Relaxed);
            connection.write_all(&file[begin..end]).ok()?;
        }
    }
}

#[test]
fn of_a_shard_only_the_chunks_that_are_asked_for_are_fetched() {
    let folder = tempfile::tempdir().unwrap();
    let local = Array::create(folder.path().join("a/b"), &sharded(), IfExists::Error).unwrap();
    local.write(local.roi(), voxels().view()).unwrap();
    let server = Server::new(folder.path());
    let store = RemoteStore::http(&server.url).unwrap();
    let array = Array::open(store.at("a/b")).unwrap();
    assert_eq!(array.roi(), local.roi());
    let before = server.served.load(Ordering::Relaxed);
    let chunk = Roi::new([32, 32, 64], [32, 32, 32]).unwrap();
    let read = array.read::<u8>(&chunk).unwrap();
    assert_eq!(read, crate::part(&voxels(), &[8..16, 8..16, 16..24]));
    let served = server.served.load(Ordering::Relaxed) - before;
    // A chunk is 512 bytes, the index 64 entries of 16, the shard more than 32 KiB.
    assert!((512..4096).contains(&served), "{served} bytes");
    assert_eq!(array.read::<u8>(array.roi()).unwrap(), voxels().into_dyn());
}

#[test]
fn http_is_for_reading() {
    let folder = tempfile::tempdir().unwrap();
    Array::create(folder.path().join("a"), &sharded(), IfExists::Error).unwrap();
    let server = Server::new(folder.path());
    let store = RemoteStore::http(format!("{}/", server.url)).unwrap();
    let array = Array::open(store.at("a")).unwrap();
    assert!(array.is_read_only());
    // Nothing was written yet.
    assert_eq!(array.read::<u8>(array.roi()).unwrap().iter().max(), Some(&0));
    assert!(matches!(array.fill(array.roi(), 1u8), Err(ArrayError::ReadOnly { .. })));
    assert!(matches!(Array::open(store.at("b")), Err(ArrayError::NotFound { .. })));
    let error = Array::create(store.at("b"), &sharded(), IfExists::Error).unwrap_err();
    assert!(matches!(error, ArrayError::Io { .. }), "{error}");
    let error = Array::create(store.at("a"), &sharded(), IfExists::Overwrite).unwrap_err();
    assert!(matches!(error, ArrayError::ReadOnly { .. }), "{error}");
    assert_eq!(array.id(), Array::open(store.clone().at("/a")).unwrap().id());
}

#[test]
fn a_server_that_says_nothing_is_given_up_after_a_while() {
    // It takes connections and requests, and never answers; nobody accepts, so the system does.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let timeout = Duration::from_millis(50);
    let options = S3Options::new("volumes").endpoint(&url).credentials("key", "secret");
    let stores = [
        RemoteStore::http_with_timeout(&url, timeout).unwrap(),
        RemoteStore::s3(&options.timeout(timeout)).unwrap(),
    ];
    for store in stores {
        // It is asked once; connections that it gets tell how often.
        let error = Array::open(store.at("a")).unwrap_err();
        assert!(matches!(error, ArrayError::Remote { .. }), "{error}");
        let error = Array::create(store.at("a"), &sharded(), IfExists::Error).unwrap_err();
        assert!(matches!(error, ArrayError::Remote { .. }), "{error}");
    }
}

#[test]
fn credentials_are_not_looked_for_on_the_network_unless_asked() {
    if std::env::vars().any(|(name, _)| name.starts_with("AWS_")) {
        return skipped("the environment has settings of S3");
    }
    let options = S3Options::new("volumes").endpoint("http://127.0.0.1:1");
    let error = RemoteStore::s3(&options).unwrap_err();
    assert!(error.to_string().contains("there are no credentials"), "{error}");
    for options in [
        options.clone().anonymous(),
        options.clone().machine_role(),
        options.credentials("key", "secret"),
    ] {
        RemoteStore::s3(&options).unwrap();
    }
}

/// A server with a bucket, until standard input ends.
const SERVER: &str = r#"
import sys, boto3
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
host, port = server.get_host_and_port()
url = f"http://{host}:{port}"
boto3.client("s3", endpoint_url=url, region_name="us-east-1", aws_access_key_id="key",
    aws_secret_access_key="secret").create_bucket(Bucket="volumes")
print("URL", url, flush=True)
sys.stdin.read()
server.stop()
"#;

struct S3 {
    server: Child,
    url: String,
}

impl S3 {
    fn start(python: &Path) -> Self {
        let mut server = Command::new(python)
            .args(["-c", SERVER])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(server.stdout.take().unwrap()).lines();
        let url = lines
            .map_while(Result::ok)
            .find_map(|line| line.strip_prefix("URL ").map(str::to_owned));
        Self { server, url: url.unwrap() }
    }

    fn store(&self, bucket: &str) -> RemoteStore {
        let options = S3Options::new(bucket)
            .endpoint(&self.url)
            .region("us-east-1")
            .credentials("key", "secret");
        RemoteStore::s3(&options).unwrap()
    }
}

impl Drop for S3 {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

#[test]
fn arrays_in_s3_are_arrays() {
    let Some(python) = python() else { return };
    let s3 = S3::start(python);
    let store = s3.store("volumes");
    for version in [ZarrVersion::V2, ZarrVersion::V3] {
        let spec = match version {
            ZarrVersion::V2 => ArraySpec::new([64, 64, 64], Dtype::U8).chunk_shape([32; 3]),
            _ => sharded().compression(Compression::Zstd { level: 1 }),
        };
        let spec = spec.version(version).offset([-4, 0, 0]);
        let place = store.at(&format!("fly/{version:?}"));
        let array = Array::create(&place, &spec, IfExists::ReuseIfCompatible).unwrap();
        assert_eq!(array.durability(), Durability::Power);
        array.write(array.roi(), voxels().view()).unwrap();
        let again = Array::open(&place).unwrap();
        assert_eq!((again.roi(), again.id()), (array.roi(), array.id()));
        assert_eq!(again.read::<u8>(again.roi()).unwrap(), voxels().into_dyn());
        let begin = again.offset() + &(again.voxel_size() * [5, 30, 7]);
        let part = Roi::new(begin, again.voxel_size() * 9).unwrap();
        let expected = crate::part(&voxels(), &[5..14, 30..39, 7..16]);
        assert_eq!(again.read::<u8>(&part).unwrap(), expected);
        // A part of a chunk, and a chunk that need not be stored any more.
        again.fill(&part, 9u8).unwrap();
        assert_eq!(again.read::<u8>(&part).unwrap(), ArrayD::from_elem(vec![9; 3], 9));
        again.fill(again.roi(), 0u8).unwrap();
        assert_eq!(again.read::<u8>(again.roi()).unwrap().iter().max(), Some(&0));
    }
}

#[test]
fn what_is_in_s3_is_not_deleted_silently() {
    let Some(python) = python() else { return };
    let s3 = S3::start(python);
    let store = s3.store("volumes");
    let array = Array::create(store.at("a"), &sharded(), IfExists::Error).unwrap();
    array.fill(array.roi(), 1u8).unwrap();
    let other = sharded().offset([4, 0, 0]);
    assert!(matches!(
        Array::create(store.at("a"), &other, IfExists::Error),
        Err(ArrayError::AlreadyExists { .. })
    ));
    assert!(matches!(
        Array::create(store.at("a"), &other, IfExists::ReuseIfCompatible),
        Err(ArrayError::Incompatible { .. })
    ));
    let error = Array::create(store.at("a/labels"), &other, IfExists::Error).unwrap_err();
    assert!(matches!(error, ArrayError::InsideArray { .. }), "{error}");
    let same = Array::create(store.at("a"), &sharded(), IfExists::ReplaceIfDifferent).unwrap();
    assert_eq!(same.read::<u8>(same.roi()).unwrap().iter().min(), Some(&1));
    // The folder of an array is no place for one.
    match Array::create(store.at(""), &other, IfExists::Overwrite).unwrap_err() {
        ArrayError::Occupied { found: Occupant::Folder { entry: Some(entry) }, .. } => {
            assert_eq!(entry, PathBuf::from("a"));
        }
        error => panic!("{error}"),
    }
    assert_eq!(array.read::<u8>(array.roi()).unwrap().iter().min(), Some(&1));
    let new = Array::create(store.at("a"), &other, IfExists::Overwrite).unwrap();
    assert_eq!(new.read::<u8>(new.roi()).unwrap().iter().max(), Some(&0));
    // No locks: refused, not ignored.
    let locked = new.with_sharing(ChunkSharing::Lock);
    let error = locked.fill(locked.roi(), 1u8).unwrap_err();
    assert!(error.to_string().contains("cannot lock chunks"), "{error}");

    assert!(matches!(Array::open(store.at("b")), Err(ArrayError::NotFound { .. })));
    let error = Array::open(s3.store("no-such-bucket").at("a")).unwrap_err();
    assert!(matches!(error, ArrayError::NotFound { .. } | ArrayError::Remote { .. }), "{error}");
}

#[cfg(feature = "ome")]
#[test]
fn images_of_several_levels_may_lie_in_s3() {
    use daisy_array::{Multiscale, OmeVersion};
    let Some(python) = python() else { return };
    let s3 = S3::start(python);
    let place = s3.store("volumes").at("image");
    let factors = [[2, 2, 2].into()];
    for if_exists in [IfExists::Error, IfExists::ReuseIfCompatible] {
        let spec = sharded();
        Multiscale::create(&place, &spec, &factors, OmeVersion::V0_5, if_exists).unwrap();
    }
    let image = Multiscale::open(&place).unwrap();
    assert_eq!(image.levels()[1].roi(), image.levels()[0].roi());
}
