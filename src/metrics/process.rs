//! The `process_*` metrics that Prometheus's clients have, read from `/proc` at each scrape.

use std::fmt;

use procfs::{ProcResult, WithCurrentSystemInfo, process::Process};
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
};

/// What they tell of this process.
#[derive(Debug)]
pub struct ProcessMetrics;

struct Facts {
    cpu_seconds: f64,
    start: f64,
    resident: u64,
    virtual_size: u64,
    open_files: u64,
    most_files: Option<u64>,
}

#[allow(clippy::cast_precision_loss, reason = "a process does not run long enough to need more than 52 bits of ticks")]
fn facts() -> ProcResult<Facts> {
    let process = Process::myself()?;
    let stat = process.stat()?;
    let ticks = procfs::ticks_per_second() as f64;
    let most_files = match process.limits()?.max_open_files.soft_limit {
        procfs::process::LimitValue::Value(most) => Some(most),
        procfs::process::LimitValue::Unlimited => None,
    };
    Ok(Facts {
        cpu_seconds: (stat.utime.saturating_add(stat.stime)) as f64 / ticks,
        start: procfs::boot_time_secs()? as f64 + stat.starttime as f64 / ticks,
        resident: stat.rss_bytes().get(),
        virtual_size: stat.vsize,
        open_files: process.fd_count()?.try_into().unwrap_or(u64::MAX),
        most_files,
    })
}

impl Collector for ProcessMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        // Where /proc cannot be read, there are no such metrics.
        let Ok(facts) = facts() else { return Ok(()) };
        let cpu = encoder.encode_descriptor("process_cpu_seconds", "CPU time that this process has used", None, MetricType::Counter)?;
        ConstCounter::new(facts.cpu_seconds).encode(cpu)?;
        let start =
            encoder.encode_descriptor("process_start_time_seconds", "When this process started, as UNIX time", None, MetricType::Gauge)?;
        ConstGauge::new(facts.start).encode(start)?;
        let mut gauges = vec![
            ("process_resident_memory_bytes", "Memory of this process that is in RAM", facts.resident),
            ("process_virtual_memory_bytes", "Virtual memory of this process", facts.virtual_size),
            ("process_open_fds", "Open file descriptors of this process", facts.open_files),
        ];
        gauges.extend(facts.most_files.map(|most| ("process_max_fds", "Maximum number of open file descriptors", most)));
        for (name, help, value) in gauges {
            let gauge = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX)).encode(gauge)?;
        }
        Ok(())
    }
}
