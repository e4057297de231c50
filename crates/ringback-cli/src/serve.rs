//! `ringback serve`.

use crate::args;
use crate::out::{Reporter, complain};
use crate::outcome::Failure;
use crate::signals::{Again, Stop, Told};
use ringback_server::{ConfigError, Reloaded, Server, ServerConfig, Storage, TlsVerify, read_duration};
use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::process::{Command, Stdio};
use std::sync::Arc;

/// Runs a server until it is told to stop.
pub(crate) async fn serve(args: args::Serve) -> Result<(), Failure> {
    let report = Reporter::new(args.json);
    let mut config = configure(args.clone())?;
    config.reread = Some(Arc::new(move || {
        configure(args.clone()).map_err(|failure| ConfigError::new(failure.to_string()))
    }));
    config.restart = Some(Arc::new(again));
    let asks_for_passwords = !config.no_auth && config.edge.is_none();
    let data = match &config.storage {
        Storage::Directory(directory) => Some(directory.display().to_string()),
        Storage::Ephemeral => None,
    };
    let (mut stop, mut reload, mut restart) = (Stop::listen()?, Again::hang_up()?, Again::restart()?);
    let server = Server::start(config).map_err(|error| Failure::Failed(error.to_string()))?;
    for listener in server.listeners() {
        let listener = listener.to_string();
        report.tell("listening", [("listener", listener.as_str().into())], format!("listening {listener}"));
    }
    if let Some(http) = server.http() {
        let address = http.to_string();
        report.tell("admin", [("http", address.as_str().into())], format!("admin http://{address}"));
    }
    let realm = server.realm().to_owned();
    report.tell("ready", [("realm", realm.as_str().into()), ("data", data.clone().into())], "ready");
    notify(&format!("READY=1\nMAINPID={}", std::process::id()));
    if asks_for_passwords && server.user_count() == 0 {
        complain(match &data {
            Some(data) => format!(
                "nobody can register yet: `ringback user add NAME --data {data} --domain {realm}` adds a user, \
                 --no-auth asks for no password"
            ),
            None => "nobody can register: --user NAME:PASSWORD or --users FILE adds users, --no-auth asks for no password".to_owned(),
        });
    }
    let told = loop {
        tokio::select! {
            told = stop.told() => break told,
            () = server.taken_over() => {
                leave(report, &server, &mut stop).await;
                server.shutdown().await;
                return Ok(());
            }
            () = restart.told() => {
                if let Err(problem) = server.restart() {
                    complain(format_args!("not restarted: {problem}"));
                }
            }
            // It reads files; whoever handles messages has threads of his own.
            () = reload.told() => tell(report, tokio::task::block_in_place(|| server.reread())),
        }
    };
    notify("STOPPING=1");
    if told == Told::Terminate && !server.drain_time().is_zero() {
        drain(report, &server, &mut stop).await;
    }
    server.shutdown().await;
    Ok(())
}

/// Waits for the end of the calls that are up, until the time for it is over or it is told to stop once more.
async fn drain(report: Reporter, server: &Server, stop: &mut Stop) {
    let (up, most) = (server.calls_up(), server.drain_time());
    let text = format!("draining: calls up: {up}; it ends with them, or in {most:?}");
    let fields = [("calls", up.into()), ("seconds", most.as_secs_f64().into())];
    report.tell("draining", fields, text);
    let up = tokio::select! {
        up = server.drain() => up,
        _ = stop.told() => server.calls_up(),
    };
    report.tell("drained", [("calls", up.into())], format!("drained: calls up: {up}"));
}

/// Waits for the end of what was begun before another process took over, for as long as for calls before any other end.
async fn leave(report: Reporter, server: &Server, stop: &mut Stop) {
    let (up, most) = (server.calls_up(), server.drain_time());
    let text = format!("handed over: calls up: {up}; it ends with them, or in {most:?}");
    report.tell("handed_over", [("calls", up.into()), ("seconds", most.as_secs_f64().into())], text);
    let up = tokio::select! {
        up = server.drain() => up,
        _ = stop.told() => server.calls_up(),
        () = server.orphaned() => {
            complain("the process that took over has ended");
            server.calls_up()
        }
    };
    report.tell("drained", [("calls", up.into())], format!("drained: calls up: {up}"));
}

/// Starts this command once more, to take over.
fn again() -> io::Result<u32> {
    let mut words = std::env::args_os();
    let mut command = Command::new(words.next().unwrap_or_else(|| "ringback".into()));
    command.args(words.filter(|word| word != "--take-over")).arg("--take-over");
    let mut child = command.stdin(Stdio::null()).spawn()?;
    let process = child.id();
    // Nobody else waits for one that fails, and this process ends before one that does not.
    std::thread::spawn(move || {
        if let Ok(status) = child.wait()
            && !status.success()
        {
            complain(format_args!("the process that was to take over has ended ({status})"));
        }
    });
    Ok(process)
}

/// Tells systemd, where that has started us and wants to know (sd_notify(3)).
fn notify(state: &str) {
    let Some(place) = std::env::var_os("NOTIFY_SOCKET") else { return };
    let address = match place.as_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name),
        None => SocketAddr::from_pathname(&place),
    };
    let told = address
        .and_then(|address| UnixDatagram::unbound()?.send_to_addr(state.as_bytes(), &address).map(drop));
    if let Err(error) = told {
        tracing::warn!(%error, "systemd cannot be told");
    }
}

fn tell(report: Reporter, done: Result<Reloaded, ConfigError>) {
    match done {
        Ok(reloaded) => {
            let Reloaded { changed, needs_restart } = &reloaded;
            let fields =
                [("changed", changed.clone().into()), ("needs_restart", needs_restart.clone().into())];
            report.tell("reloaded", fields, format!("reloaded: {reloaded}"));
        }
        Err(error) => {
            let problem = error.to_string();
            let text = format!("not reloaded, everything stays as it was: {problem}");
            report.tell("not_reloaded", [("problem", problem.into())], text);
        }
    }
}

/// The configuration file, and the options over it.
pub(crate) fn configure(args: args::Serve) -> Result<ServerConfig, Failure> {
    let mut config = match &args.config {
        Some(path) => {
            ServerConfig::read(path).map_err(|error| Failure::Usage(format!("--config: {error}")))?
        }
        None => ServerConfig::default(),
    };
    if !args.listen.is_empty() {
        config.listen.clear();
    }
    for listen in &args.listen {
        config.listen.push(listen.parse().map_err(|error| Failure::Usage(format!("--listen: {error}")))?);
    }
    if !args.advertise.is_empty() {
        config.advertise.clear();
    }
    for address in &args.advertise {
        let address = address.parse().map_err(|error| Failure::Usage(format!("--advertise: {error}")))?;
        config.advertise.push(address);
    }
    config.advertise_stun = args.advertise_stun.or(config.advertise_stun);
    config.enum_domain = args.enum_domain.or(config.enum_domain);
    if let Some(time) = &args.drain {
        let time = read_duration(time).map_err(|error| Failure::Usage(format!("--drain: {error}")))?;
        config.drain = Some(time);
    }
    if !args.domain.is_empty() {
        config.domains = args.domain;
    }
    for user in &args.user {
        let Some((name, password)) =
            user.split_once(':').filter(|(name, password)| !name.is_empty() && !password.is_empty())
        else {
            return Err(Failure::Usage("--user: NAME:PASSWORD is needed, such as alice:secret".to_owned()));
        };
        config.users.insert(name.to_owned(), password.to_owned());
    }
    config.take_over = args.take_over;
    config.users_file = args.users.or(config.users_file);
    config.no_auth |= args.no_auth;
    if args.ephemeral {
        config.storage = Storage::Ephemeral;
    }
    if let Some(data) = args.data {
        config.storage = Storage::Directory(data);
    }
    config.tls.cert = args.tls_cert.or(config.tls.cert);
    config.tls.key = args.tls_key.or(config.tls.key);
    config.tls.ca = args.tls_ca.or(config.tls.ca);
    config.tls.client_ca = args.tls_client_ca.or(config.tls.client_ca);
    match args.tls_verify.as_deref() {
        Some("off") => config.tls.verify = TlsVerify::Off,
        Some("mutual") => config.tls.verify = TlsVerify::Mutual,
        Some(_) => config.tls.verify = TlsVerify::On,
        None => {}
    }
    if !args.ws_origin.is_empty() {
        config.ws_origins = args.ws_origin;
    }
    config.admin.socket = args.admin.or(config.admin.socket);
    if let Some(listen) = &args.admin_listen {
        let listen = listen.parse().map_err(|_| {
            Failure::Usage(format!(
                "--admin-listen: `{listen}` is no address with a port; write for example 127.0.0.1:8080"
            ))
        })?;
        config.admin.listen = Some(listen);
    }
    for place in &args.trace {
        config.trace.to.push(place.parse().map_err(|error| Failure::Usage(format!("--trace: {error}")))?);
    }
    config.check().map_err(|error| Failure::Usage(error.to_string()))?;
    Ok(config)
}
