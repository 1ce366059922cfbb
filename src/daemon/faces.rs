//! The listeners of a daemon: the API over TCP and the control socket, the probes, the agent check.
//! What they answer is the faces' own.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use tokio::net::{TcpListener, UnixListener};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::error::Error;
use crate::agent::files::{self, at};
use crate::agent::readiness::{Switch, serve_agent_check};
use crate::config::Config;
use crate::control::service::Service;
use crate::control::station::Station;
use crate::http::api::Api;
use crate::http::{listen, probes, router};

/// The group of the socket's directory may ask; everybody else on the host may not.
const CONTROL_SOCKET_MODE: u32 = 0o660;

/// Bound before anything else runs, so that a busy port is an error at once.
pub struct Listeners {
    api: TcpListener,
    tls: Option<TlsAcceptor>,
    probes: TcpListener,
    agent_check: TcpListener,
    control: UnixListener,
}

impl Listeners {
    pub async fn bind(config: &Config) -> Result<Self, Error> {
        let listen = &config.listen;
        let tls = match &config.tls {
            None => None,
            Some(tls) => {
                let read = |path: &Path| fs::read(path).map_err(at("read", path));
                let certificate = read(&tls.certificate).map_err(Error::Files)?;
                let key = read(&tls.key).map_err(Error::Files)?;
                Some(listen::tls(&certificate, &key).map_err(Error::Tls)?)
            }
        };
        Ok(Self {
            api: bind(listen.api).await?,
            tls,
            probes: bind(listen.probes).await?,
            agent_check: bind(listen.agent_check).await?,
            control: bind_control(&config.node.control_socket).map_err(Error::Files)?,
        })
    }
}

async fn bind(address: SocketAddr) -> Result<TcpListener, Error> {
    TcpListener::bind(address)
        .await
        .map_err(|source| Error::Listen { address, source })
}

/// A socket that an earlier daemon left is replaced: the executor's lock tells whether one still runs.
fn bind_control(path: &Path) -> Result<UnixListener, files::Error> {
    let directory = files::parent(path);
    fs::create_dir_all(directory).map_err(at("create the directory", directory))?;
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(at("remove", path)(error));
        }
        _ => {}
    }
    let listener = UnixListener::bind(path).map_err(at("listen on", path))?;
    let mode = fs::Permissions::from_mode(CONTROL_SOCKET_MODE);
    fs::set_permissions(path, mode).map_err(at("set the mode of", path))?;
    Ok(listener)
}

/// Serves all of them until `stop`.
pub fn serve(
    work: &mut JoinSet<()>,
    listeners: Listeners,
    station: Arc<Station>,
    switch: &Switch,
    stop: &CancellationToken,
) {
    let core: Arc<dyn Service> = station;
    let api = Api::new(core.clone());
    let routes = router::router(&api);
    let Listeners {
        api,
        tls,
        probes,
        agent_check,
        control,
    } = listeners;
    work.spawn(listen::serve_tcp(api, tls, routes.clone(), stop.clone()));
    work.spawn(listen::serve_unix(control, routes, stop.clone()));
    let probed = probes::router(core);
    work.spawn(listen::serve_tcp(probes, None, probed, stop.clone()));
    let (check, stop) = (serve_agent_check(agent_check, switch.clone()), stop.clone());
    work.spawn(async move {
        tokio::select! {
            () = check => {}
            () = stop.cancelled() => {}
        }
    });
}
