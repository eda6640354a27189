//! The records of a journal one by one, read as `JOURNAL.md` has it and by nothing of daisy: how often each
//! block was accepted.

use std::{collections::BTreeMap, fs, path::Path};

/// By task (its number in the journal) and cell: how often it was lent, and how often accepted.
pub(crate) type Tally = BTreeMap<(u64, u64), (u32, u32)>;

/// What is left of a file or of one frame.
struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn byte(&mut self) -> u8 {
        let (&first, rest) = self.0.split_first().unwrap();
        self.0 = rest;
        first
    }

    fn varint(&mut self) -> u64 {
        let mut number = 0;
        for shift in (0..).step_by(7) {
            let byte = self.byte();
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                break;
            }
        }
        number
    }

    /// A difference to what is expected.
    fn beside(&mut self, expected: u64) -> u64 {
        let number = self.varint();
        expected.wrapping_add((number >> 1) ^ (number & 1).wrapping_neg())
    }
}

/// Counts the records of a file that was never compacted.
pub(crate) fn tally(path: &Path) -> Tally {
    let file = fs::read(path).unwrap();
    assert_eq!(&file[..8], b"daisyjnl");
    let (mut rest, mut epoch) = (&file[16..], 0);
    let (mut lent, mut tally) = (BTreeMap::new(), Tally::new());
    while let [a, b, c, d, _, _, _, _, frame @ ..] = rest {
        let length = u32::from_le_bytes([*a, *b, *c, *d]) as usize;
        if length == 0 || length > frame.len() {
            break;
        }
        let (payload, behind) = frame.split_at(length);
        match payload[0] {
            1 => {}
            2 => events(&mut Bytes(&payload[1..]), &mut epoch, &mut lent, &mut tally),
            kind => panic!("a frame of kind {kind} in a journal that was never compacted"),
        }
        rest = behind;
    }
    tally
}

/// Counts the records of one frame.
fn events(
    bytes: &mut Bytes<'_>,
    epoch: &mut u64,
    lent: &mut BTreeMap<u64, (u64, u64)>,
    tally: &mut Tally,
) {
    let (mut grant, mut ending, mut worker) = (*epoch << 40, *epoch << 40, *epoch << 40);
    let (mut task, mut cell) = (0, 0);
    while !bytes.0.is_empty() {
        let head = bytes.byte();
        let (kind, has) = (head & 7, |bit: u8| head >> bit & 1 == 1);
        if kind == 0 {
            *epoch = bytes.varint();
            (grant, ending, worker) = (*epoch << 40, *epoch << 40, *epoch << 40);
            (task, cell) = (0, 0);
            continue;
        }
        let count = if has(3) { bytes.varint() } else { 1 };
        let expected = if kind == 1 { &mut grant } else { &mut ending };
        if has(4) {
            *expected = bytes.beside(*expected);
        }
        let leases = *expected..*expected + count;
        *expected = leases.end;
        if kind == 1 {
            worker = if has(5) { bytes.beside(worker) } else { worker };
            task = if has(6) { bytes.varint() } else { task };
            cell = if has(7) { bytes.beside(cell) } else { cell };
            for (lease, cell) in leases.zip(cell..) {
                assert!(lent.insert(lease, (task, cell)).is_none(), "lease {lease} was used again");
                tally.entry((task, cell)).or_default().0 += 1;
            }
            cell += count;
            continue;
        }
        if kind == 3 || kind == 4 {
            bytes.varint();
        }
        for lease in leases {
            let block = lent.get(&lease).unwrap_or_else(|| panic!("lease {lease} was never given"));
            tally.entry(*block).or_default().1 += u32::from(kind == 2);
        }
    }
}
