//! SIGHUP and `ringback reload`, from the outside.

use crate::support::{Folder, Running, run, text};
use rcgen::{CertifiedKey, generate_simple_self_signed};

/// Writes a new certificate for example.com over the files that the server uses, and one to trust beside them.
fn certify(cert: &str, key: &str) {
    let CertifiedKey { cert: own, signing_key } =
        generate_simple_self_signed(["example.com".to_owned(), "127.0.0.1".to_owned()]).unwrap();
    std::fs::write(cert, own.pem()).unwrap();
    std::fs::write(key, signing_key.serialize_pem()).unwrap();
}

#[test]
fn a_running_server_takes_another_file_or_says_what_is_wrong_with_it() {
    let folder = Folder::new("reload");
    let (config, data) = (folder.path("ringback.toml"), folder.path("data"));
    let log = folder.path("log");
    let [cert, key, new_cert, new_key] = ["a.pem", "a.key", "b.pem", "b.key"].map(|name| folder.path(name));
    certify(&cert, &key);
    certify(&new_cert, &new_key);
    let write = |more: &str, cert: &str, key: &str| {
        let tls = format!("[tls]\ncert = '{cert}'\nkey = '{key}'\n");
        std::fs::write(&config, format!("domains = ['example.com']\nno_auth = true\n{more}\n{tls}")).unwrap();
    };
    write("", &cert, &key);
    let args = ["serve", "--config", &config, "--data", &data, "--listen", "tls:127.0.0.1:0"];
    let mut server = Running::logged(&args, &log);
    let line = server.wait_for("listening tls:");
    let address = line.trim_start_matches("listening tls:").to_owned();
    server.wait_for("ready");
    let ping = |trusted: &str| {
        let uri = format!("sip:{address}");
        run(&["ping", &uri, "--server", &address, "--transport", "tls", "--tls-ca", trusted])
    };
    assert!(ping(&cert).status.success(), "{}", text(&ping(&cert)));
    assert!(!ping(&new_cert).status.success());

    write("", &new_cert, &new_key);
    server.signal("-HUP");
    server.wait_for("reloaded: changed: tls");
    assert!(ping(&new_cert).status.success(), "{}", text(&ping(&new_cert)));
    assert!(!ping(&cert).status.success());

    write("no_such_key = 1", &cert, &key);
    server.signal("-HUP");
    let said = server.wait_for("not reloaded");
    assert!(said.contains("line 3: unknown field `no_such_key`"), "{said}");
    let refused = run(&["reload", "--data", &data]);
    assert_eq!(refused.status.code(), Some(1), "{}", text(&refused));
    assert!(text(&refused).contains("everything stays as it was: --config: "), "{}", text(&refused));
    write("", &folder.path("missing.pem"), &key);
    let refused = run(&["reload", "--data", &data]);
    assert!(text(&refused).contains("missing.pem"), "{}", text(&refused));
    assert!(ping(&new_cert).status.success(), "the old one runs on");

    write("dscp = 24\n[[routes]]\nuser = '^9'\nreject = 403", &new_cert, &new_key);
    let done = run(&["reload", "--data", &data]);
    assert_eq!(text(&done).trim(), "changed: routes; needs a restart: dscp");
    let done = run(&["reload", "--data", &data, "--json"]);
    assert_eq!(text(&done).trim(), "{\"changed\":[],\"needs_restart\":[\"dscp\"]}");
    let nowhere = run(&["reload", "--data", &folder.path("other")]);
    assert_eq!(nowhere.status.code(), Some(2), "{}", text(&nowhere));
    server.signal("-TERM");
    assert!(server.wait().success());
}
