//! Prometheus's own text format, version 0.0.4, made from `OpenMetrics` text. Scrapers that do not ask for `OpenMetrics` get it.
//!
//! The samples are the same in both. Only the lines about a family differ: the older format names a counter and an info by the name of its samples, has no
//! units, and has no end.

/// The text in the older format.
pub(super) fn older(openmetrics: &str) -> String {
    let mut text = String::with_capacity(openmetrics.len());
    // `# HELP` comes before `# TYPE`, which says how the family is named.
    let mut help = None;
    for line in openmetrics.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            help = rest.split_once(' ');
        } else if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
            let (end, kind) = match kind {
                "counter" => ("_total", "counter"),
                "info" => ("_info", "gauge"),
                other => ("", other),
            };
            if let Some((_, help)) = help.take() {
                text.extend(["# HELP ", name, end, " ", help, "\n"]);
            }
            text.extend(["# TYPE ", name, end, " ", kind, "\n"]);
        } else if !line.starts_with("# ") {
            text += line;
            text.push('\n');
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_are_named_as_the_older_format_names_them() {
        let openmetrics = "# HELP a_b Calls.\n# TYPE a_b counter\na_b_total{c=\"# HELP\"} 1\n# HELP v Version.\n# TYPE v info\nv_info{version=\"1\"} 1\n\
                           # HELP d_seconds Time.\n# TYPE d_seconds gauge\n# UNIT d_seconds seconds\nd_seconds 2.5\n# EOF\n";
        let expected = "# HELP a_b_total Calls.\n# TYPE a_b_total counter\na_b_total{c=\"# HELP\"} 1\n# HELP v_info Version.\n# TYPE v_info gauge\n\
                        v_info{version=\"1\"} 1\n# HELP d_seconds Time.\n# TYPE d_seconds gauge\nd_seconds 2.5\n";
        assert_eq!(older(openmetrics), expected);
    }
}
