//! The outcome as one page without outside parts.

use std::fmt::Write as _;

use bess_types::{Event, Source, Verdict};

use super::summary::Summary;
use crate::measure::{Measurement, round};
use crate::suite::{ScenarioResult, StepResult};

const STYLE: &str = "\
body{font:15px/1.45 system-ui,sans-serif;margin:2rem auto;max-width:72rem;padding:0 1rem;color:#1b2733;background:#fff}
h1{font-size:1.5rem}h2{font-size:1.15rem;margin-top:2.5rem;border-top:1px solid #d5dde5;padding-top:1.2rem}
h3{font-size:1rem;margin:1.2rem 0 .3rem}
table{border-collapse:collapse;width:100%;font-size:.9rem}
th,td{text-align:left;padding:.3rem .6rem;border-bottom:1px solid #e6ebf0;vertical-align:top}
th{color:#5b6b7b;font-weight:600}td.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
.v{display:inline-block;min-width:6.5em;text-align:center;border-radius:.8em;padding:0 .6em;font-size:.85rem}
.pass{background:#d9f2e3;color:#0b5d33}.fail{background:#fbdcdc;color:#8c1616}
.inconclusive{background:#fdf0cf;color:#7a5300}.error{background:#e7dcf5;color:#4b1d86}.none{background:#edf0f3;color:#5b6b7b}
.s{color:#5b6b7b;font-size:.85rem}pre{white-space:pre-wrap;background:#f5f7f9;padding:.6rem;border-radius:.4rem}
summary{cursor:pointer;color:#1a5fa8}.step td{background:#eaf2fa}.fault td{background:#fdf0cf}";

/// Rows of a part of the timeline; the rest is in events.jsonl.
const MAX_EVENTS: usize = 400;

pub(crate) fn render(summary: &Summary<'_>) -> String {
    let mut page = String::new();
    // Writing to a string cannot fail.
    let _ = write_page(&mut page, summary);
    page
}

fn write_page(page: &mut String, summary: &Summary<'_>) -> std::fmt::Result {
    let title = format!("bessrig: {}", summary.rig_title);
    write!(
        page,
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <title>{0}</title><style>{STYLE}</style></head><body>\n<h1>{0} {1}</h1>\n",
        text(&title),
        badge(Some(summary.verdict)),
    )?;
    let totals = summary.totals;
    writeln!(
        page,
        "<p>{} of {} scenarios pass, {} inconclusive, {} fail, {} in error. {} s of rig time in {} s, {}. \
         Rig file <code>{}</code>, seed {}, bessrig {}.</p>",
        totals.pass,
        totals.planned,
        totals.inconclusive,
        totals.fail,
        totals.error,
        round(summary.virtual_s),
        round(summary.wall_s),
        if summary.paced {
            "on real wires at wall-clock pace"
        } else {
            "in virtual time"
        },
        text(&summary.rig),
        summary.seed,
        summary.version,
    )?;
    if let Some(why) = &summary.incomplete {
        writeln!(page, "<p><b>Not complete:</b> {}</p>", text(why))?;
    }
    page.push_str(
        "<table><tr><th>Scenario</th><th>Verdict</th><th>Rig time, s</th><th>Smallest margin</th></tr>\n",
    );
    for (index, result) in summary.scenarios.iter().enumerate() {
        writeln!(
            page,
            "<tr><td><a href=\"#s{index}\">{}</a></td><td>{}</td><td class=n>{}</td><td>{}</td></tr>",
            text(&super::full_name(result)),
            badge(Some(result.verdict)),
            round(result.virtual_s),
            tightest(result).map_or_else(String::new, |m| text(&tight(m))),
        )?;
    }
    page.push_str("</table>\n");
    for (index, result) in summary.scenarios.iter().enumerate() {
        write_scenario(page, index, result)?;
    }
    page.push_str("</body></html>\n");
    Ok(())
}

fn write_scenario(page: &mut String, index: usize, result: &ScenarioResult) -> std::fmt::Result {
    writeln!(
        page,
        "<h2 id=\"s{index}\">{} {}</h2>\n<p class=s>{}:{} · evidence in <code>{}/</code></p>",
        text(&super::full_name(result)),
        badge(Some(result.verdict)),
        text(&result.file),
        result.line,
        text(&result.folder),
    )?;
    if let Some(recording) = &result.recording {
        writeln!(
            page,
            "<p class=s>recording <a href=\"{}\"><code>{}</code></a>, for the viewer, Foxglove and others</p>",
            text(recording),
            text(recording),
        )?;
    }
    if let Some(reason) = &result.reason {
        writeln!(page, "<pre>{}</pre>", text(reason))?;
    }
    for (n, attempt) in result.attempts.iter().enumerate() {
        writeln!(
            page,
            "<p>Attempt {} was {}: {}</p>",
            n + 1,
            attempt.verdict,
            text(attempt.reason.as_deref().unwrap_or("no reason kept"))
        )?;
    }
    page.push_str(
        "<table><tr><th></th><th>Time</th><th>Step</th><th>Measured</th><th>Allowed</th><th>Margin</th><th>Source of the limit</th></tr>\n",
    );
    let mut shown = vec![false; result.measurements.len()];
    for step in &result.steps {
        let words = format!("<b>{}</b> {}", text(&step.keyword), text(&step.text));
        if step.measurements.is_empty() {
            writeln!(
                page,
                "<tr><td>{}</td><td class=n>{}</td><td>{words}</td><td></td><td></td><td></td><td>{}</td></tr>",
                badge(step.verdict),
                time_of(step),
                text(step.source.as_deref().unwrap_or_default()),
            )?;
        }
        for measured in &step.measurements {
            if let Some(row) = result.measurements.get(*measured) {
                shown[*measured] = true;
                write_figures(page, &time_of(step), &words, row)?;
            }
        }
    }
    for (measured, _) in result
        .measurements
        .iter()
        .zip(&shown)
        .filter(|(_, shown)| !**shown)
    {
        let words = format!(
            "{}<br><span class=s>{}</span>",
            text(&measured.step),
            text(&measured.subject)
        );
        let at = measured.seen_s.map_or_else(String::new, seconds);
        write_figures(page, &at, &words, measured)?;
    }
    page.push_str("</table>\n");
    for violation in &result.violations {
        writeln!(
            page,
            "<p>Checker <b>{}</b>, {} at {}: {}</p>",
            violation.checker,
            violation.tag,
            violation.at,
            text(&violation.text)
        )?;
    }
    for log in &result.controllers {
        writeln!(
            page,
            "<h3>Controller {}: <code>{}</code></h3><pre>{}</pre>",
            text(&log.name),
            text(&log.file),
            text(&log.last_lines)
        )?;
    }
    for note in &result.notes {
        writeln!(page, "<p class=s>{}</p>", text(note))?;
    }
    write_health(page, result)?;
    write_events(page, result)
}

/// When a step began and when it was decided.
fn time_of(step: &StepResult) -> String {
    match (step.began_s, step.decided_s) {
        (Some(began), Some(decided)) if began < decided => {
            format!("{}<br>to {}", seconds(began), seconds(decided))
        }
        (began, decided) => began.or(decided).map_or_else(String::new, seconds),
    }
}

/// As the time of an event is written.
fn seconds(time: f64) -> String {
    format!("{time:.3} s")
}

fn write_figures(page: &mut String, time: &str, words: &str, row: &Measurement) -> std::fmt::Result {
    let unit = text(&row.unit);
    let figure = |value: Option<f64>| value.map_or_else(|| "–".into(), |v| format!("{} {unit}", round(v)));
    writeln!(
        page,
        "<tr><td>{}</td><td class=n>{time}</td><td>{words}</td><td class=n>{}</td><td class=n>{} {unit}</td><td class=n>{}</td><td>{}</td></tr>",
        badge(Some(row.verdict)),
        figure(row.measured),
        text(&row.limit.to_string()),
        figure(row.margin),
        text(row.source.as_deref().unwrap_or_default()),
    )
}

fn write_health(page: &mut String, result: &ScenarioResult) -> std::fmt::Result {
    let health = &result.health;
    if !health.paced {
        return writeln!(
            page,
            "<p class=s>Virtual time: {} plant ticks, {} CAN frames, {} Modbus requests; nothing can be late.</p>",
            health.ticks, result.frames, result.modbus_requests
        );
    }
    let spread = |p: &bess_rig::Percentiles| format!("{} / {} / {} µs", p.p50, p.p99, p.max);
    writeln!(
        page,
        "<h3>Health of the rig</h3><table><tr><th>Ticks</th><th>Late past soft limit</th><th>past hard limit</th>\
         <th>Lateness p50 / p99 / max</th><th>Send jitter p50 / p99 / max</th><th>Frames lost</th></tr>\
         <tr><td class=n>{}</td><td class=n>{}</td><td class=n>{}</td><td class=n>{}</td><td class=n>{}</td><td class=n>{}</td></tr></table>",
        health.ticks,
        health.soft_misses,
        health.hard_misses,
        spread(&health.lateness_us),
        spread(&health.send_jitter_us),
        health.dropped_frames
    )
}

/// Events and steps in order of time; what came before the first When, mostly power-up, is folded.
fn write_events(page: &mut String, result: &ScenarioResult) -> std::fmt::Result {
    let total = result.events.len();
    if total == 0 {
        return Ok(());
    }
    let steps = result.steps.iter();
    let mut rows: Vec<Row> = steps.filter_map(step_row).collect();
    rows.extend(result.events.iter().map(event_row));
    rows.sort_by(|a, b| a.at_s.total_cmp(&b.at_s));
    let cause = result.steps.iter().find(|step| step.keyword == "When");
    let begin = cause.and_then(|step| step.began_s).unwrap_or(0.0);
    let before = rows.partition_point(|row| row.at_s < begin);
    writeln!(
        page,
        "<details><summary>Timeline with steps and faults; all {total} events in {}/events.jsonl</summary>",
        text(&result.folder)
    )?;
    let (before, after) = rows.split_at(before);
    if !before.is_empty() {
        page.push_str("<details><summary>Before the first When</summary>\n");
        write_rows(page, before)?;
        page.push_str("</details>\n");
    }
    write_rows(page, after)?;
    page.push_str("</details>\n");
    Ok(())
}

/// A row of the timeline.
struct Row {
    at_s: f64,
    /// A step, or something done to the rig: never left out.
    stands_out: bool,
    html: String,
}

fn write_rows(page: &mut String, rows: &[Row]) -> std::fmt::Result {
    let (early, late) = rows.split_at(rows.len().saturating_sub(MAX_EVENTS));
    let kept = early.iter().filter(|row| row.stands_out);
    let left_out = early.len() - kept.clone().count();
    if left_out > 0 {
        writeln!(page, "<p class=s>{left_out} earlier rows are left out here.</p>")?;
    }
    page.push_str("<table><tr><th>Time</th><th>Seen</th><th>Where</th><th>What</th><th></th></tr>\n");
    // The end of a scenario tells more than its beginning.
    for row in kept.chain(late) {
        page.push_str(&row.html);
    }
    page.push_str("</table>\n");
    Ok(())
}

fn step_row(step: &StepResult) -> Option<Row> {
    let began = step.began_s?;
    let html = format!(
        "<tr class=step><td class=n>{}</td><td>step</td><td colspan=2><b>{}</b> {}</td><td>{}</td></tr>\n",
        seconds(began),
        text(&step.keyword),
        text(&step.text),
        badge(step.verdict)
    );
    Some(Row {
        at_s: began,
        stands_out: true,
        html,
    })
}

/// Points under which the rig notes what is done to it: faults, commands, contacts.
const DONE: [&str; 5] = ["fault", "device-fault", "link-fault", "contact", "operator"];

fn event_row(event: &Event) -> Row {
    let source = match event.source {
        Source::Plant => "plant",
        Source::Wire => "wire",
        Source::Device => "device",
        Source::Rig => "rig",
    };
    let stands_out = event.source == Source::Rig && DONE.contains(&event.point.as_str());
    let class = if stands_out { " class=fault" } else { "" };
    let html = format!(
        "<tr{class}><td class=n>{}</td><td>{source}</td><td>{}</td><td>{}</td><td>{}</td></tr>\n",
        event.at,
        event.tag,
        text(&event.point),
        text(&event.text)
    );
    Row {
        at_s: event.at.as_secs_f64(),
        stands_out,
        html,
    }
}

/// The measurement nearest to its limit, as a share of the limit.
fn tightest(result: &ScenarioResult) -> Option<&Measurement> {
    use crate::measure::Bound;
    let share = |m: &Measurement| {
        let scale = match m.limit {
            Bound::AtMost(limit) | Bound::AtLeast(limit) => limit.abs(),
            Bound::Between(low, high) => (high - low).abs(),
        };
        m.margin
            .map_or(f64::NEG_INFINITY, |margin| margin / scale.max(1e-9))
    };
    result
        .measurements
        .iter()
        // A duration that was asked for has no margin to speak of.
        .filter(|m| !m.subject.ends_with("kept for"))
        .min_by(|a, b| share(a).total_cmp(&share(b)))
}

fn tight(measured: &Measurement) -> String {
    match measured.margin {
        Some(margin) => format!("{} {} in: {}", round(margin), measured.unit, measured.step),
        None => format!("not seen: {}", measured.step),
    }
}

fn badge(verdict: Option<Verdict>) -> String {
    let word = verdict.map_or_else(|| "not run".to_owned(), |verdict| verdict.to_string());
    let class = verdict.map_or_else(|| "none".to_owned(), |verdict| verdict.to_string());
    format!("<span class=\"v {class}\">{word}</span>")
}

fn text(raw: &str) -> String {
    raw.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
