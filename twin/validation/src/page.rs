//! The report as one page without outside parts.

use core::fmt::{self, Write as _};

use bess_types::Verdict;

use crate::Report;
use crate::chart::Chart;
use crate::claim::{Basis, Row};
use crate::experiment::Judged;

const STYLE: &str = "\
:root{--ink:#1b2733;--soft:#5b6b7b;--line:#e1e7ed;--pass:#0b6b3a;--fail:#a01616}
*{box-sizing:border-box}
body{font:15px/1.5 system-ui,sans-serif;margin:0 auto;max-width:76rem;padding:2rem 1.2rem 4rem;color:var(--ink);background:#fff}
h1{font-size:1.6rem;margin:0 0 .2rem}h2{font-size:1.15rem;margin:2.8rem 0 .3rem;padding-top:1.2rem;border-top:1px solid var(--line)}
p{max-width:52rem;margin:.4rem 0}.s{color:var(--soft);font-size:.88rem}
.tiles{display:flex;flex-wrap:wrap;gap:.8rem;margin:1.2rem 0}
.tile{border:1px solid var(--line);border-radius:.6rem;padding:.6rem 1.1rem;min-width:7.5rem}
.tile b{display:block;font-size:1.7rem;line-height:1.2;font-variant-numeric:tabular-nums}
.tile.pass b{color:var(--pass)}.tile.fail b{color:var(--fail)}
.t{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:.88rem;margin:.6rem 0}
th,td{text-align:left;padding:.35rem .6rem;border-bottom:1px solid var(--line);vertical-align:top}
th{color:var(--soft);font-weight:600;background:#fff;position:sticky;top:0}
.n{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}
tr.g td{padding-top:.9rem;font-weight:600;border-bottom-color:#b9c4cf}
tr.fail{background:#fdf1f1}tr.error{background:#f7f1fd}
a{color:#1a5fa8;text-decoration:none}a:hover{text-decoration:underline}
.v,.k{display:inline-block;border-radius:.8em;padding:0 .7em;font-size:.82rem;white-space:nowrap}
.v.pass{background:#d9f2e3;color:#0b5d33}.v.fail{background:#fbdcdc;color:#8c1616}.v.error{background:#e7dcf5;color:#4b1d86}
.k.predicted{background:#dcebfa;color:#124a86}.k.calibrated{background:#fdf0cf;color:#7a5300}.k.derived{background:#e3efe9;color:#2c5a45}.k.input{background:#edf0f3;color:#5b6b7b}
.weak{color:#7a5300;font-size:.8rem;white-space:nowrap}
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(26rem,1fr));gap:1rem 1.4rem;margin:.8rem 0}
figure{margin:0;border:1px solid var(--line);border-radius:.5rem;padding:.7rem .8rem .3rem;max-width:46rem}
figcaption{font-weight:600;font-size:.92rem}
.legend{display:flex;flex-wrap:wrap;gap:.1rem 1rem;font-size:.8rem;color:var(--soft)}
.legend i{display:inline-block;width:.9em;height:.55em;border-radius:2px;margin-right:.4em}
svg{display:block;height:auto}
@media(min-width:64rem){.t{overflow-x:visible}}
@media(max-width:34rem){.charts{grid-template-columns:1fr}}
@media print{th{position:static}figure{break-inside:avoid}}";

impl Report {
    /// The page.
    ///
    /// # Errors
    /// If a chart cannot be drawn.
    pub fn html(&self) -> Result<String, String> {
        let mut page = String::new();
        self.write(&mut page).map_err(|fmt::Error| "page".to_owned())?;
        for judged in &self.judged {
            experiment(&mut page, judged)?;
        }
        page.push_str("</body></html>\n");
        Ok(page)
    }

    fn write(&self, page: &mut String) -> fmt::Result {
        let totals = self.totals();
        writeln!(
            page,
            "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
             <title>bessrig: the twin against reference figures</title><style>{STYLE}</style></head><body>\n\
             <h1>The twin against reference figures {}</h1>\n\
             <p>Every row is a figure, published, derived or assumed as its source says, the range it allows, and what the \
             twin gives. A range is its source's; where the source gives a single figure, a tolerance was chosen around it.</p>",
            verdict(self.verdict())
        )?;
        page.push_str("<div class=tiles>");
        for (class, count, what) in [
            ("", totals.rows, "rows"),
            ("pass", totals.pass, "in range"),
            ("fail", totals.fail, "out of range"),
            ("fail", totals.error, "without a value"),
            ("", totals.predicted, "predicted, outside source"),
            ("", totals.predicted_own, "predicted, derived or assumed"),
        ] {
            if count > 0 || what == "out of range" {
                let class = if count == 0 { "" } else { class };
                writeln!(page, "<div class=\"tile {class}\"><b>{count}</b>{what}</div>")?;
            }
        }
        writeln!(
            page,
            "</div>\n<p class=s>{} nothing in the model was chosen for the figure. {} the figure was itself worked out from inputs \
             of the model; the row shows that the model agrees with that arithmetic. {} a parameter was chosen so that \
             the model meets it. {} the figure is an input of the model; the row shows that the model carries it out. \
             Tags: [B] brochure, [D] derived by arithmetic, [R] recalled from a standard or paper, [A] assumption, \
             [S…] and [P…] papers, data sheets and public projects, which bessrig catalogue sources lists. CT, PS, PL name sections of the authors' notes on \
             cells and heat, protection and sequences, plant. “Weak” marks sources the notes themselves call so.</p>",
            basis(Basis::Predicted),
            basis(Basis::Derived),
            basis(Basis::Calibrated),
            basis(Basis::Input)
        )?;
        page.push_str(
            "<div class=t><table><tr><th>What</th><th class=n>Expected</th><th class=n>Twin</th><th></th><th></th><th>Basis</th>\
             <th>Source</th></tr>\n",
        );
        for judged in &self.judged {
            let experiment = judged.experiment;
            writeln!(
                page,
                "<tr class=g><td colspan=7><a href=\"#{}\">{}</a></td></tr>",
                experiment.id,
                text(experiment.title)
            )?;
            for row in &judged.rows {
                summary_row(page, row)?;
            }
        }
        page.push_str("</table></div>\n");
        Ok(())
    }
}

fn summary_row(page: &mut String, row: &Row) -> fmt::Result {
    writeln!(
        page,
        "<tr class={}><td>{}</td><td class=n>{}</td><td class=n><b>{}</b></td><td>{}</td>\
         <td>{}</td><td>{}</td><td>{}{}</td></tr>",
        row.verdict,
        text(row.claim.what),
        text(&row.claim.expected.to_string()),
        value(row),
        row.claim.unit,
        verdict(row.verdict),
        basis(row.claim.basis),
        text(&row.claim.source.to_string()),
        weak(row),
    )
}

fn experiment(page: &mut String, judged: &Judged) -> Result<(), String> {
    let broken = |fmt::Error| "page".to_owned();
    let experiment = judged.experiment;
    writeln!(
        page,
        "<h2 id=\"{}\">{}</h2>\n<p>{}</p>\n<div class=t><table><tr><th>What</th><th class=n>Expected</th><th class=n>Twin</th><th></th>\
         <th></th><th>Basis</th><th>The figure</th></tr>",
        experiment.id,
        text(experiment.title),
        text(experiment.about)
    )
    .map_err(broken)?;
    for row in &judged.rows {
        writeln!(
            page,
            "<tr class={}><td>{}<div class=s><code>{}</code></div></td><td class=n>{}</td><td class=n><b>{}</b></td>\
             <td>{}</td><td>{}</td><td>{}</td><td>{}<div class=s>{}; {}{}</div></td></tr>",
            row.verdict,
            text(row.claim.what),
            row.claim.id,
            text(&row.claim.expected.to_string()),
            value(row),
            row.claim.unit,
            verdict(row.verdict),
            basis(row.claim.basis),
            text(row.claim.source.figure()),
            text(&row.claim.source.to_string()),
            text(row.claim.expected.reading),
            weak(row),
        )
        .map_err(broken)?;
        if !row.note.is_empty() {
            writeln!(
                page,
                "<tr><td></td><td colspan=6 class=s>{}</td></tr>",
                text(&row.note)
            )
            .map_err(broken)?;
        }
    }
    page.push_str("</table></div>\n");
    if !judged.charts.is_empty() {
        page.push_str("<div class=charts>\n");
        for chart in &judged.charts {
            figure(page, chart)?;
        }
        page.push_str("</div>\n");
    }
    Ok(())
}

fn figure(page: &mut String, chart: &Chart) -> Result<(), String> {
    let broken = |fmt::Error| "page".to_owned();
    write!(
        page,
        "<figure><figcaption>{}</figcaption><div class=legend>",
        text(&chart.title)
    )
    .map_err(broken)?;
    for (name, colour) in chart.legend() {
        write!(
            page,
            "<span><i style=\"background:{colour}\"></i>{}</span>",
            text(name)
        )
        .map_err(broken)?;
    }
    page.push_str("</div>\n");
    page.push_str(&chart.svg()?);
    page.push_str("</figure>\n");
    Ok(())
}

fn value(row: &Row) -> String {
    row.shown().map_or_else(|| "–".into(), |shown| text(&shown))
}

fn verdict(verdict: Verdict) -> String {
    let word = match verdict {
        Verdict::Pass => "in range",
        Verdict::Fail => "out of range",
        Verdict::Inconclusive | Verdict::Error => "no value",
    };
    format!("<span class=\"v {verdict}\">{word}</span>")
}

fn basis(basis: Basis) -> String {
    format!("<span class=\"k {basis}\">{basis}</span>")
}

fn weak(row: &Row) -> &'static str {
    if row.claim.source.is_weak() {
        " <span class=weak>weak</span>"
    } else {
        ""
    }
}

/// Text for HTML; minus signs as such.
fn text(raw: &str) -> String {
    raw.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
