//! HTTP/1.1 connections with nothing hidden: no pool, no redirect, and above all no retry, since a
//! client library that repeats a request would hide exactly the failures that the demo counts.

use std::fmt;
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

/// Answers of the demo's databases are small; more than this is a fault.
const ANSWER_LEN_MAX: usize = 4 * 1024 * 1024;

/// Why an exchange failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// No connection came about; nothing was sent.
    Connect {
        to: String,
        why: String,
    },
    /// The connection broke or answered nonsense after the request was handed to it.
    Exchange {
        to: String,
        why: String,
    },
    Timeout {
        to: String,
        after_ms: u64,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect { to, why } => write!(f, "cannot connect to {to}: {why}"),
            Self::Exchange { to, why } => write!(f, "the exchange with {to} broke: {why}"),
            Self::Timeout { to, after_ms } => write!(f, "{to} did not answer within {after_ms} ms"),
        }
    }
}

impl std::error::Error for Error {}

/// One connection. Dropping it closes the socket, also while an answer is awaited.
#[derive(Debug)]
pub struct Link {
    to: String,
    sender: SendRequest<Full<Bytes>>,
    driver: JoinHandle<()>,
}

impl Link {
    pub async fn connect(to: &str, limit: Duration) -> Result<Self, Error> {
        within(to, limit, Self::connect_unbounded(to)).await
    }

    /// False once the other side closed it. True proves little: a close may be on its way.
    pub fn is_open(&self) -> bool {
        !self.sender.is_closed()
    }

    /// Sends one request and reads the whole answer. After an error the link is of no more use.
    pub async fn exchange(
        &mut self,
        request: Request<Full<Bytes>>,
        limit: Duration,
    ) -> Result<Response<Bytes>, Error> {
        let to = self.to.clone();
        within(&to, limit, self.exchange_unbounded(request)).await
    }

    async fn connect_unbounded(to: &str) -> Result<Self, Error> {
        let failed = |why: String| Error::Connect {
            to: to.to_owned(),
            why,
        };
        let stream = TcpStream::connect(to)
            .await
            .map_err(|error| failed(error.to_string()))?;
        // Small requests and answers: waiting for more to send would only add delay.
        stream
            .set_nodelay(true)
            .map_err(|error| failed(error.to_string()))?;
        let (sender, connection) = handshake(TokioIo::new(stream))
            .await
            .map_err(|error| failed(explain(&error)))?;
        let driver = tokio::spawn(async move {
            // The error, if any, reaches whoever awaits an answer.
            let _ = connection.await;
        });
        Ok(Self {
            to: to.to_owned(),
            sender,
            driver,
        })
    }

    async fn exchange_unbounded(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Bytes>, Error> {
        let broke = |why: String| Error::Exchange {
            to: self.to.clone(),
            why,
        };
        self.sender
            .ready()
            .await
            .map_err(|error| broke(explain(&error)))?;
        let answer = self
            .sender
            .send_request(request)
            .await
            .map_err(|error| broke(explain(&error)))?;
        let (head, body) = answer.into_parts();
        let body = Limited::new(body, ANSWER_LEN_MAX)
            .collect()
            .await
            .map_err(|error| broke(error.to_string()))?
            .to_bytes();
        Ok(Response::from_parts(head, body))
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// A GET on a connection of its own.
pub async fn get(to: &str, path: &str, limit: Duration) -> Result<(StatusCode, Bytes), Error> {
    let request = Request::get(path)
        .header("host", to)
        .header("connection", "close")
        .body(Full::default())
        .map_err(|error| Error::Exchange {
            to: to.to_owned(),
            why: error.to_string(),
        })?;
    let exchange = async {
        let mut link = Link::connect_unbounded(to).await?;
        link.exchange_unbounded(request).await
    };
    let answer = within(to, limit, exchange).await?;
    Ok((answer.status(), answer.into_body()))
}

async fn within<T>(
    to: &str,
    limit: Duration,
    work: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    tokio::time::timeout(limit, work).await.unwrap_or_else(|_| {
        Err(Error::Timeout {
            to: to.to_owned(),
            after_ms: limit.as_millis() as u64,
        })
    })
}

/// hyper keeps the telling part ("connection reset") in the source.
fn explain(error: &hyper::Error) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}
