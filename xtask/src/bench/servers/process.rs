//! The processor time and memory of a server: of its process and all that it started.

use std::fs;
use std::path::Path;

/// Seconds of processor time so far, all threads of a process and of its descendants together.
pub(in crate::bench) fn cpu(process: u32) -> f64 {
    family(process).into_iter().map(own_cpu).sum()
}

/// What they hold in memory, in KiB; what several share is counted once.
pub(in crate::bench) fn resident(process: u32) -> u64 {
    let own = |process: u32| -> Option<u64> {
        let text = fs::read_to_string(format!("/proc/{process}/smaps_rollup")).ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix("Pss:"))?;
        line.split_ascii_whitespace().next()?.parse().ok()
    };
    family(process).into_iter().filter_map(own).sum()
}

/// A process and all that it started.
fn family(process: u32) -> Vec<u32> {
    let mut family = vec![process];
    let mut looked_at = 0;
    while let Some(parent) = family.get(looked_at) {
        let children = tasks(*parent).into_iter().filter_map(|task| {
            fs::read_to_string(
                Path::new("/proc").join(parent.to_string()).join("task").join(task).join("children"),
            )
            .ok()
        });
        let children: Vec<u32> = children
            .flat_map(|text| {
                text.split_ascii_whitespace().filter_map(|id| id.parse().ok()).collect::<Vec<_>>()
            })
            .collect();
        family.extend(children);
        looked_at += 1;
    }
    family
}

fn tasks(process: u32) -> Vec<String> {
    let folder = format!("/proc/{process}/task");
    fs::read_dir(folder)
        .into_iter()
        .flatten()
        .filter_map(|task| task.ok()?.file_name().into_string().ok())
        .collect()
}

/// The scheduler counts in nanoseconds.
fn own_cpu(process: u32) -> f64 {
    let nanoseconds = |task: String| -> Option<f64> {
        let text = fs::read_to_string(format!("/proc/{process}/task/{task}/schedstat")).ok()?;
        text.split_ascii_whitespace().next()?.parse().ok()
    };
    tasks(process).into_iter().filter_map(nanoseconds).sum::<f64>() / 1e9
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_process_spends_is_counted() {
        let own = std::process::id();
        let before = cpu(own);
        let mut sum = 0u64;
        while cpu(own) - before < 0.01 {
            sum = (0..1_000_000).fold(sum, u64::wrapping_add);
        }
        assert!(sum > 0 && family(own).contains(&own));
        assert!(resident(own) > 1_000);
    }
}
