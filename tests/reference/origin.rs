//! The hostile origin: each mode does to a plain reader what it promises.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::support::origin::{Mode, Origin};

/// Head and body as they come, until the end, `limit` bytes or `time`.
async fn read(url: &str, limit: usize, time: Duration) -> (String, Vec<u8>) {
    let (address, path) = url
        .strip_prefix("http://")
        .unwrap()
        .split_once('/')
        .unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream
        .write_all(format!("GET /{path} HTTP/1.1\r\nhost: {address}\r\n\r\n").as_bytes())
        .await
        .unwrap();
    let deadline = Instant::now() + time;
    let mut bytes = Vec::new();
    let mut buffer = [0; 8192];
    while bytes.len() < limit {
        let left = deadline.saturating_duration_since(Instant::now());
        match tokio::time::timeout(left, stream.read(&mut buffer)).await {
            Ok(Ok(count)) if count > 0 => bytes.extend_from_slice(&buffer[..count]),
            _ => break,
        }
    }
    let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
        return (String::new(), bytes);
    };
    let body = bytes.split_off(end + 4);
    (String::from_utf8(bytes).unwrap(), body)
}

const LONG: Duration = Duration::from_secs(10);
const SHORT: Duration = Duration::from_millis(300);

#[tokio::test]
async fn every_mode_keeps_its_promise() {
    let origin = Origin::start().await;
    let file: Vec<u8> = (0..100_000_u32).map(|number| number as u8).collect();
    let offer = |name: &str, mode: Mode| origin.offer(name, file.clone(), mode);

    let url = offer("honest", Mode::Honest);
    assert_eq!(read(&url, usize::MAX, LONG).await.1, file);
    assert_eq!(origin.reads("honest"), 1);

    let (head, _) = read(&origin.url("absent"), usize::MAX, LONG).await;
    assert!(head.starts_with("HTTP/1.1 404"), "{head}");
    let (head, _) = read(&offer("broken", Mode::Status(500)), usize::MAX, LONG).await;
    assert!(head.starts_with("HTTP/1.1 500"), "{head}");

    let (head, body) = read(&offer("short", Mode::EndsShort), usize::MAX, LONG).await;
    assert!(head.contains("content-length: 100000"), "{head}");
    assert_eq!(body, file[..50_000]);

    let (head, body) = read(&offer("endless", Mode::Endless), 300_000, LONG).await;
    assert!(
        !head.contains("content-length") && body.len() > 250_000,
        "{head}"
    );

    let drip = Mode::Drip(Duration::from_millis(20));
    let (_, body) = read(&offer("drip", drip), usize::MAX, SHORT).await;
    assert!((1..50).contains(&body.len()), "{} bytes", body.len());

    let (head, _) = read(&offer("moved", Mode::Redirect(url)), usize::MAX, LONG).await;
    assert!(
        head.starts_with("HTTP/1.1 302") && head.contains("/honest"),
        "{head}"
    );

    let url = offer("changing", Mode::ChangesContent);
    assert_eq!(read(&url, usize::MAX, LONG).await.1, file);
    let (_, second) = read(&url, usize::MAX, LONG).await;
    assert_eq!(second.len(), file.len());
    assert_ne!(second, file);

    let (head, body) = read(&offer("silent", Mode::Silent), usize::MAX, SHORT).await;
    assert!(head.is_empty() && body.is_empty());
}
