//! A stand-in for a MongoDB server: it speaks the wire protocol, keeps documents in memory and
//! knows just the commands that the store sends. What is not known is an error, never a guess.
//!
//! It follows the manual of MongoDB: "Wire Protocol" (OP_MSG, OP_QUERY for the first greeting),
//! "Database Commands", "Query and Projection Operators", "Comparison/Sort Order".

mod commands;
mod matching;

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use mongodb::bson::Document;

use self::commands::State;

/// A server; its threads end with the process.
pub(crate) struct Fake {
    address: String,
    state: Arc<Mutex<State>>,
}

impl Fake {
    /// Starts a server on a free port of this machine.
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = Arc::clone(&shared);
                // The end of a connection is no error.
                thread::spawn(move || serve(stream, &state));
            }
        });
        Self { address, state }
    }

    /// Lets the next command of a name fail in part; see [`State::plant`].
    pub(crate) fn plant(&self, command: &str, reply: Document) {
        self.state.lock().unwrap().plant(command, reply);
    }

    /// The commands that named a collection since the last time: `find nodes`.
    pub(crate) fn log(&self) -> Vec<String> {
        self.state.lock().unwrap().log()
    }

    /// How it is reached.
    pub(crate) fn uri(&self) -> String {
        // On a busy machine the driver's monitor gives up a server that is at work.
        format!("mongodb://{}/?connectTimeoutMS=120000", self.address)
    }
}

const OP_REPLY: i32 = 1;
const OP_QUERY: i32 = 2004;
const OP_MSG: i32 = 2013;

/// The largest document, and so the largest command but for its sequences.
const MAX_DOCUMENT: i32 = (1 << 24) + (1 << 14);

/// The largest message that is read.
const MAX_MESSAGE: usize = 48_000_000;

/// Answers the requests of one connection.
fn serve(mut stream: TcpStream, state: &Mutex<State>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    loop {
        let mut header = [0; 16];
        stream.read_exact(&mut header)?;
        let field = |n: usize| i32::from_le_bytes(header[4 * n..4 * n + 4].try_into().unwrap());
        let length = usize::try_from(field(0)).unwrap_or(0);
        if !(16..=MAX_MESSAGE).contains(&length) {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let mut body = vec![0; length - 16];
        stream.read_exact(&mut body)?;
        let (request, op) = (field(1), field(3));
        let (command, wants_reply) = match op {
            OP_MSG => message(&body)?,
            OP_QUERY => (query(&body)?, true),
            _ => return Err(io::ErrorKind::InvalidData.into()),
        };
        let reply = state.lock().unwrap().run(&command);
        if wants_reply {
            stream.write_all(&frame(request, op, &reply))?;
        }
    }
}

/// The command of an OP_MSG: a document, and sequences of documents that are arrays of it. Also
/// whether the client wants a reply.
fn message(body: &[u8]) -> io::Result<(Document, bool)> {
    let invalid = || io::Error::from(io::ErrorKind::InvalidData);
    let (flags, mut rest) = body.split_first_chunk::<4>().ok_or_else(invalid)?;
    let flags = u32::from_le_bytes(*flags);
    if flags & 1 != 0 {
        rest = rest.split_last_chunk::<4>().ok_or_else(invalid)?.0; // a checksum
    }
    let mut command = Document::new();
    while let Some((kind, section)) = rest.split_first() {
        rest = section;
        match kind {
            0 => command.extend(document(&mut rest)?),
            1 => {
                let size = rest.first_chunk::<4>().ok_or_else(invalid)?;
                let size = usize::try_from(i32::from_le_bytes(*size)).map_err(|_| invalid())?;
                let (mut sequence, behind) = rest.split_at_checked(size).ok_or_else(invalid)?;
                rest = behind;
                sequence = &sequence[4..];
                let end = sequence.iter().position(|byte| *byte == 0).ok_or_else(invalid)?;
                let name = String::from_utf8_lossy(&sequence[..end]).into_owned();
                sequence = &sequence[end + 1..];
                let mut documents = Vec::new();
                while !sequence.is_empty() {
                    documents.push(document(&mut sequence)?);
                }
                command.insert(name, documents);
            }
            _ => return Err(invalid()),
        }
    }
    Ok((command, flags & 2 == 0))
}

/// The command of an OP_QUERY: flags, a name that ends with a zero, two numbers, a document.
fn query(body: &[u8]) -> io::Result<Document> {
    let invalid = || io::Error::from(io::ErrorKind::InvalidData);
    let rest = body.get(4..).ok_or_else(invalid)?;
    let end = rest.iter().position(|byte| *byte == 0).ok_or_else(invalid)?;
    document(&mut rest.get(end + 9..).ok_or_else(invalid)?)
}

fn document(bytes: &mut &[u8]) -> io::Result<Document> {
    if bytes.first_chunk::<4>().is_some_and(|size| i32::from_le_bytes(*size) > MAX_DOCUMENT) {
        return Err(io::Error::other("a document is too large"));
    }
    Document::from_reader(bytes).map_err(|error| io::Error::other(error.to_string()))
}

/// A reply in the form of its request.
fn frame(request: i32, op: i32, reply: &Document) -> Vec<u8> {
    let reply = reply.to_vec().unwrap();
    let (op, prefix) = if op == OP_MSG {
        (OP_MSG, vec![0; 5]) // no flags, a section of kind 0
    } else {
        let numbers: [&[u8]; 4] = [
            &8_i32.to_le_bytes(), // await capable
            &0_i64.to_le_bytes(), // no cursor
            &0_i32.to_le_bytes(),
            &1_i32.to_le_bytes(), // one document
        ];
        (OP_REPLY, numbers.concat())
    };
    let length = i32::try_from(16 + prefix.len() + reply.len()).unwrap();
    let header = [length, 0, request, op].map(i32::to_le_bytes).concat();
    [header, prefix, reply].concat()
}

#[test]
fn a_sequence_of_documents_is_an_array_of_the_command() {
    use mongodb::bson::doc;

    let (body, one, two) = (doc! { "insert": "c" }, doc! { "a": 1 }, doc! { "b": 2 });
    let bytes = |document: &Document| document.to_vec().unwrap();
    let sequence = [b"documents\0".to_vec(), bytes(&one), bytes(&two)].concat();
    let size = i32::try_from(sequence.len() + 4).unwrap().to_le_bytes().to_vec();
    let message_bytes = [vec![0, 0, 0, 0, 0], bytes(&body), vec![1], size, sequence].concat();
    let (command, wants_reply) = message(&message_bytes).unwrap();
    assert_eq!(command, doc! { "insert": "c", "documents": [one, two] });
    assert!(wants_reply);
}

#[test]
fn half_a_message_is_an_error() {
    assert!(message(&[0, 0, 0, 0, 1, 200, 0, 0, 0]).is_err());
    assert!(message(&[0, 0]).is_err());
    assert!(query(&[0, 0, 0, 0, b'x']).is_err());
}
