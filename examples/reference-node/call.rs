//! One HTTP request to a peer, on a connection of its own, within a time limit.

use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

/// A join answer lists the cluster's nodes; a megabyte holds thousands.
const ANSWER_LEN_MAX: usize = 1024 * 1024;

/// Posts `body` and returns the answer of a 2xx status; everything else is an error text.
pub async fn post(
    address: &str,
    path: &str,
    body: &Value,
    limit: Duration,
) -> Result<Value, String> {
    tokio::time::timeout(limit, exchange(address, path, body))
        .await
        .map_err(|_| format!("no answer within {} ms", limit.as_millis()))?
}

async fn exchange(address: &str, path: &str, body: &Value) -> Result<Value, String> {
    let stream = TcpStream::connect(address)
        .await
        .map_err(|source| source.to_string())?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|source| source.to_string())?;
    // It ends with the exchange: `sender` is dropped and the request asks to close.
    tokio::spawn(connection);
    let request = hyper::Request::post(path)
        .header("host", address)
        .header("content-type", "application/json")
        .header("connection", "close")
        .body(Full::new(Bytes::from(body.to_string())))
        .map_err(|source| source.to_string())?;
    let answer = sender
        .send_request(request)
        .await
        .map_err(|source| source.to_string())?;
    let status = answer.status();
    let bytes = Limited::new(answer.into_body(), ANSWER_LEN_MAX)
        .collect()
        .await
        .map_err(|source| source.to_string())?
        .to_bytes();
    if !status.is_success() {
        return Err(format!("HTTP {status}"));
    }
    serde_json::from_slice(&bytes).map_err(|source| format!("the answer is not JSON: {source}"))
}
