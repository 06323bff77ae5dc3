use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinHandle;
use tokio::time::advance;

use super::*;

/// A connection that is read by a task, byte by byte.
struct Wired {
    rounds: Rounds,
    far: Plain,
    heard: JoinHandle<Vec<u8>>,
    times: tokio::sync::mpsc::UnboundedReceiver<u8>,
}

fn wired(age: Duration) -> (Rounds, Plain, Stream) {
    let (near, far) = Plain::pair().expect("a pair");
    near.set_nonblocking(true).expect("a socket");
    far.set_nonblocking(true).expect("a socket");
    let rounds = Rounds::default();
    let mut stream = rounds.stream(UnixStream::from_std(near).expect("a runtime"));
    stream.prompt_until -= age;
    (rounds, far, stream)
}

impl Wired {
    fn aged(age: Duration) -> Self {
        let (rounds, far, mut stream) = wired(age);
        let (each, times) = tokio::sync::mpsc::unbounded_channel();
        let heard = tokio::spawn(async move {
            let mut all = Vec::new();
            while let Ok(byte) = stream.read_u8().await {
                all.push(byte);
                let _ = each.send(byte);
            }
            all
        });
        Self { rounds, far, heard, times }
    }

    fn old() -> Self {
        Self::aged(PROMPT_FOR)
    }

    fn so_far(&mut self) -> Vec<u8> {
        std::iter::from_fn(|| self.times.try_recv().ok()).collect()
    }
}

/// Lets every task do what it can, and the runtime look at its descriptors.
async fn everybody() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn s3_an_old_connection_is_read_in_rounds_and_completely() {
    let mut wired = Wired::old();
    everybody().await;
    wired.far.write_all(b"abc").expect("room");
    everybody().await;
    assert_eq!(wired.so_far(), b"", "nobody looks before the round");
    wired.rounds.call().await;
    assert_eq!(wired.so_far(), b"abc", "heard when the call returns");
    wired.rounds.call().await;
    wired.far.write_all(b"d").expect("room");
    wired.rounds.call().await;
    assert_eq!(wired.so_far(), b"d");
}

#[tokio::test]
async fn s3_a_young_connection_is_read_when_something_comes() {
    let mut wired = Wired::aged(Duration::ZERO);
    wired.far.write_all(b"hello").expect("room");
    let mut heard = Vec::new();
    while heard.len() < 5 {
        heard.push(wired.times.recv().await.expect("it is open"));
    }
    assert_eq!(heard, b"hello", "without a round");
}

#[tokio::test(start_paused = true)]
async fn s3_a_connection_grows_old() {
    let (_rounds, mut far, mut stream) = wired(Duration::ZERO);
    far.write_all(b"ab").expect("room");
    assert_eq!(stream.read_u8().await.expect("open"), b'a');
    assert!(matches!(stream.io, Io::Prompt(_)));
    advance(PROMPT_FOR).await;
    assert_eq!(stream.read_u8().await.expect("open"), b'b', "nothing is lost");
    assert!(matches!(stream.io, Io::InRounds(_)));
}

#[tokio::test]
async fn s3_the_end_of_an_old_connection_is_noticed_in_the_next_round() {
    let wired = Wired::old();
    everybody().await;
    (&wired.far).write_all(b"z").expect("room");
    drop(wired.far);
    wired.rounds.call().await;
    everybody().await;
    assert!(wired.heard.is_finished());
    assert_eq!(wired.heard.await.expect("no panic"), b"z");
}

#[tokio::test]
async fn s3_what_does_not_fit_is_written_in_later_rounds() {
    let (rounds, mut far, mut stream) = wired(PROMPT_FOR);
    stream.settle().expect("a descriptor");
    let sent = vec![7; 4 << 20];
    let writing = tokio::spawn(async move {
        stream.write_all(&sent).await.expect("read in the end");
        stream.shutdown().await.expect("open");
    });
    let (mut got, mut buffer) = (0, vec![0; 1 << 16]);
    for _ in 0..100_000 {
        match far.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => got += read,
            Err(error) => {
                assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
                rounds.call().await;
            }
        }
    }
    writing.await.expect("no panic");
    assert_eq!(got, 4 << 20);
}

#[tokio::test]
async fn s3_a_crowd_is_heard_within_one_round() {
    let rounds = Rounds::default();
    let mut all: Vec<_> = (0..64)
        .map(|_| {
            let (near, far) = Plain::pair().expect("a pair");
            near.set_nonblocking(true).expect("a socket");
            let mut stream = rounds.stream(UnixStream::from_std(near).expect("a runtime"));
            stream.prompt_until -= PROMPT_FOR;
            // As a session: one task reads, another one hears.
            let (said, mut hears) = tokio::sync::mpsc::channel(1);
            tokio::spawn(async move { said.send(stream.read_u8().await).await });
            (far, tokio::spawn(async move { hears.recv().await }))
        })
        .collect();
    everybody().await;
    for (far, _) in &mut all {
        far.write_all(b"r").expect("room");
    }
    // As the loop: a task among the others.
    let calling = async move {
        rounds.call().await;
        all.iter().filter(|(_, hears)| hears.is_finished()).count()
    };
    assert_eq!(tokio::spawn(calling).await.expect("no panic"), 64);
}
