use super::*;
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};

fn sleeping() -> Child {
    Command::new("sleep").arg("60").stdin(Stdio::null()).spawn().expect("sleep")
}

fn end(child: &mut Child) {
    child.kill().expect("killed");
    child.wait().expect("reaped");
}

#[test]
fn system_errors_become_the_closed_list() {
    for (number, expected) in [
        (2, ReadError::NotFound),
        (20, ReadError::NotFound),
        (19, ReadError::Removed),
        (3, ReadError::Exited),
        (95, ReadError::Unsupported),
        (13, ReadError::Denied),
        (1, ReadError::Denied),
        (24, ReadError::Other(24)),
        (5, ReadError::Other(5)),
    ] {
        assert_eq!(ReadError::from(io::Error::from_raw_os_error(number)), expected, "{number}");
    }
    assert_eq!(ReadError::from(io::Error::other("no number")), ReadError::Other(0));
}

#[test]
fn a_file_is_returned_whole_whatever_its_size() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("file");
    for size in [Size::Small, Size::Table, Size::Records] {
        for length in [0, 1, 511, 512, 513, 8191, 8192, 8193, LARGEST - 1] {
            let content: Vec<u8> =
                (0..length).map(|index| u8::try_from(index % 251).expect("below 251")).collect();
            std::fs::write(&path, &content).expect("written");
            let mut kept = KeptFile::open(&path, size).expect("open");
            assert_eq!(kept.read(), Ok(&content[..]), "{size:?} {length}");
            assert_eq!(kept.read(), Ok(&content[..]), "{size:?} {length}, again");
        }
        std::fs::write(&path, vec![0; LARGEST]).expect("written");
        assert_eq!(KeptFile::open(&path, size).expect("open").read(), Err(ReadError::TooLarge));
    }
}

#[test]
fn every_read_starts_at_the_beginning() {
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    let mut kept = KeptFile::open(file.path(), Size::Small).expect("open");
    assert_eq!(kept.read(), Ok(&b""[..]));
    file.write_all(b"first\n").expect("written");
    assert_eq!(kept.read(), Ok(&b"first\n"[..]));
    file.write_all(b"second\n").expect("written");
    assert_eq!(kept.read(), Ok(&b"first\nsecond\n"[..]));
    file.as_file().set_len(2).expect("cut");
    assert_eq!(kept.read(), Ok(&b"fi"[..]), "nothing is left of a longer content");
}

#[test]
fn a_file_of_many_records_is_read_to_its_end() {
    let mut child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("cat");
    let (mut to, mut from) = (child.stdin.take().expect("piped"), child.stdout.take().expect("piped"));
    to.write_all(b"!").expect("written");
    from.read_exact(&mut [0]).expect("an echo: it has started and its memory map stands still");
    let path = format!("/proc/{}/smaps", child.id());
    let mut kept = KeptFile::open(Path::new(&path), Size::Records).expect("open");
    let whole = std::fs::read(&path).expect("read");
    let text = kept.read().expect("read");
    assert!(
        whole.len() > 8192,
        "more than the kernel gives in one piece, or this test shows nothing: {}",
        whole.len()
    );
    let records =
        |bytes: &[u8]| bytes.split(|byte| *byte == b'\n').filter(|line| line.starts_with(b"VmFlags")).count();
    assert_eq!(records(text), records(&whole));
    end(&mut child);
}

#[test]
fn what_is_not_a_regular_file_is_refused() {
    for (path, expected) in [
        ("/proc/self/task", ReadError::NotAFile),
        ("/dev/zero", ReadError::NotAFile),
        ("/proc/self/nothing", ReadError::NotFound),
        ("/proc/self/stat/below", ReadError::NotFound),
    ] {
        assert_eq!(KeptFile::open(Path::new(path), Size::Small).map(|_| ()), Err(expected), "{path}");
    }
}

#[test]
fn a_kept_file_of_an_ended_process_says_so() {
    let mut child = sleeping();
    let path = format!("/proc/{}/schedstat", child.id());
    let mut kept = KeptFile::open(Path::new(&path), Size::Small).expect("open");
    assert!(kept.read().is_ok());
    end(&mut child);
    assert_eq!(kept.read(), Err(ReadError::Exited));
}
