//! The layer table against what cargo says the crates depend on.

use super::plan::Plan;
use crate::json::Json;

/// The crates that may own sockets, clocks and threads: the driver, the programs and the tools.
const WORLDLY: &[&str] = &[
    "ringback-net",
    "ringback",
    "ringback-server",
    "ringback-cli",
    "ringback-testkit",
    "ringback-benches",
    "xtask",
];

/// The tools: they may use every crate and are no rooms of the house.
const TOOLS: &[&str] = &["ringback-testkit", "ringback-benches", "xtask"];

/// A workspace member and what it needs to be built; what only its tests need is its own affair.
#[derive(Debug)]
pub(crate) struct Package {
    pub(crate) name: String,
    /// Its folder, relative to the workspace.
    pub(crate) folder: String,
    pub(crate) dependencies: Vec<String>,
}

/// The members of the workspace as `cargo metadata` lists them.
pub(crate) fn packages(metadata: &Json) -> Vec<Package> {
    let root = metadata.get("workspace_root").text().unwrap_or_default();
    metadata.get("packages").items().iter().map(|package| read_package(package, root)).collect()
}

fn read_package(package: &Json, root: &str) -> Package {
    let manifest = package.get("manifest_path").text().unwrap_or_default();
    let folder = manifest.strip_prefix(root).unwrap_or(manifest);
    let needed = |dependency: &&Json| dependency.get("kind").text() != Some("dev");
    Package {
        name: package.get("name").text().unwrap_or_default().to_owned(),
        folder: folder.trim_start_matches('/').trim_end_matches("/Cargo.toml").to_owned(),
        dependencies: package
            .get("dependencies")
            .items()
            .iter()
            .filter(needed)
            .filter_map(|dependency| dependency.get("name").text())
            .map(str::to_owned)
            .collect(),
    }
}

/// Where the crates and the plan disagree.
pub(crate) fn breaches(plan: &Plan, packages: &[Package]) -> Vec<String> {
    let mut breaches = Vec::new();
    let is_member = |name: &str| packages.iter().any(|package| package.name == name);
    for package in packages {
        for dependency in &package.dependencies {
            if dependency == "tokio" && !WORLDLY.contains(&package.name.as_str()) {
                breaches.push(format!("{}: tokio belongs to the driver and the programs", package.folder));
            }
        }
        if TOOLS.contains(&package.name.as_str()) {
            continue;
        }
        let Some(room) = plan.room(&package.name) else {
            breaches.push(format!("{}: {} is not in the layer table", package.folder, package.name));
            continue;
        };
        for dependency in &package.dependencies {
            let allowed = if is_member(dependency) { &room.siblings } else { &room.outside };
            if !allowed.contains(dependency) {
                breaches.push(format!(
                    "{}: {} may not use {dependency}; the layer table in docs/architecture.md does not list it",
                    package.folder, package.name
                ));
            }
        }
    }
    for name in plan.named().filter(|name| !is_member(name)) {
        breaches.push(format!("docs/architecture.md: there is no crate {name}"));
    }
    for package in packages.iter().filter(|package| !plan.named().any(|name| name == package.name)) {
        if package.folder.starts_with("crates/") {
            breaches.push(format!("docs/architecture.md: does not name {}", package.name));
        }
    }
    breaches
}

/// A `clippy.toml` of its own takes a crate out of the ban list for clocks and sockets: only the worldly have one.
pub(crate) fn ban_list_breaches(packages: &[Package], files: &[String]) -> Vec<String> {
    let mut breaches = Vec::new();
    for package in packages {
        let own = format!("{}/clippy.toml", package.folder);
        let exempt = files.contains(&own);
        if exempt && !worldly(&package.name) {
            breaches.push(format!("{own}: {} keeps the ban list of the workspace", package.name));
        }
    }
    breaches
}

/// Whether a crate may own sockets, clocks and threads.
pub(crate) fn worldly(name: &str) -> bool {
    WORLDLY.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "| Crate | Duty | Siblings | Outside |\n|---|---|---|---|\n\
        | `ringback-sansio` | low | – | – |\n| `ringback-message` | low | – | bytes |\n\
        | `ringback-proxy` | core | sansio, message | – |\n| `ringback-net` | driver | sansio | tokio |\n\nRoot: `crates/`\n";

    const METADATA: &str = r#"{"workspace_root": "/w", "packages": [
        {"name": "ringback-sansio", "manifest_path": "/w/crates/ringback-sansio/Cargo.toml", "dependencies": []},
        {"name": "ringback-message", "manifest_path": "/w/crates/ringback-message/Cargo.toml",
            "dependencies": [{"name": "bytes", "kind": null}, {"name": "proptest", "kind": "dev"}]},
        {"name": "ringback-proxy", "manifest_path": "/w/crates/ringback-proxy/Cargo.toml",
            "dependencies": [{"name": "ringback-message", "kind": null}]},
        {"name": "ringback-net", "manifest_path": "/w/crates/ringback-net/Cargo.toml",
            "dependencies": [{"name": "tokio", "kind": null}]}]}"#;

    fn check(page: &str, metadata: &str) -> Vec<String> {
        breaches(&Plan::read(page).unwrap(), &packages(&Json::parse(metadata).unwrap()))
    }

    #[test]
    fn crates_that_keep_to_the_table_pass() {
        assert_eq!(check(PAGE, METADATA), Vec::<String>::new());
    }

    #[test]
    fn a_door_that_the_table_does_not_have_is_a_breach() {
        let metadata = METADATA.replace("\"ringback-message\", \"kind\"", "\"ringback-net\", \"kind\"");
        assert_eq!(
            check(PAGE, &metadata),
            ["crates/ringback-proxy: ringback-proxy may not use ringback-net; \
              the layer table in docs/architecture.md does not list it"]
        );
    }

    #[test]
    fn an_outside_crate_that_the_table_does_not_have_is_a_breach() {
        let breaches = check(&PAGE.replace("| – | bytes |", "| – | – |"), METADATA);
        assert_eq!(breaches.len(), 1);
        assert!(breaches[0].contains("ringback-message may not use bytes"));
    }

    #[test]
    fn tokio_below_the_driver_is_a_breach_even_where_the_table_allows_it() {
        let page = PAGE.replace("| core | sansio, message | – |", "| core | sansio, message | tokio |");
        let metadata = METADATA.replace("\"ringback-message\", \"kind\"", "\"tokio\", \"kind\"");
        assert_eq!(
            check(&page, &metadata),
            ["crates/ringback-proxy: tokio belongs to the driver and the programs"]
        );
    }

    #[test]
    fn a_crate_without_a_room_and_a_room_without_a_crate_are_breaches() {
        let page = PAGE.replace(
            "| `ringback-proxy` | core | sansio, message | – |\n",
            "| `ringback-sdp` | low | – | – |\n",
        );
        let breaches = check(&page, METADATA);
        assert!(breaches.contains(&"crates/ringback-proxy: ringback-proxy is not in the layer table".into()));
        assert!(breaches.contains(&"docs/architecture.md: there is no crate ringback-sdp".into()));
        assert!(breaches.contains(&"docs/architecture.md: does not name ringback-proxy".into()));
    }

    #[test]
    fn only_the_worldly_may_leave_the_ban_list() {
        let packages = packages(&Json::parse(METADATA).unwrap());
        let files =
            ["crates/ringback-net/clippy.toml", "crates/ringback-proxy/clippy.toml"].map(str::to_owned);
        assert_eq!(
            ban_list_breaches(&packages, &files),
            ["crates/ringback-proxy/clippy.toml: ringback-proxy keeps the ban list of the workspace"]
        );
    }
}
