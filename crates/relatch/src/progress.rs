//! Live progress of a run, from the engine's events.

use std::io::IsTerminal;
use std::sync::Mutex;

use indicatif::{ProgressBar, ProgressStyle};
use relatch_case::ConsumerId;
use relatch_executor::Event;

use crate::output::Printer;

/// Shows events: a bar on a terminal, lines elsewhere, JSON lines where JSON was asked for.
pub(crate) struct Progress {
    printer: Printer,
    bar: Option<ProgressBar>,
    verbose: bool,
    lock: Mutex<()>,
}

impl Progress {
    /// For so many steps of which `over` are over.
    pub(crate) fn new(printer: Printer, steps: usize, over: usize, verbose: bool) -> Self {
        let show = !printer.is_json() && std::io::stderr().is_terminal();
        let bar = show.then(|| {
            let bar = ProgressBar::new(steps as u64).with_position(over as u64);
            let style = "{elapsed_precise} [{bar:30}] {pos}/{len} {wide_msg}";
            bar.set_style(
                ProgressStyle::with_template(style)
                    .unwrap_or_else(|_| ProgressStyle::default_bar())
                    .progress_chars("=> "),
            );
            bar
        });
        Self {
            printer,
            bar,
            verbose,
            lock: Mutex::new(()),
        }
    }

    /// Takes an event in.
    pub(crate) fn take(&self, event: &Event) {
        let _one_at_a_time = self.lock.lock();
        if self.printer.is_json() {
            self.printer.json_line(event);
            return;
        }
        match event {
            Event::Started { verb, name, .. } => self.message(format!("{verb} {name}")),
            Event::Outage { name, consumers } => {
                let names: Vec<&str> = consumers.iter().map(ConsumerId::as_str).collect();
                self.line(&format!(
                    "! OUTAGE: {name} dies first; until its new key is rolled out these stop \
                     working: {}",
                    names.join(", ")
                ));
            }
            Event::Undoing { step, because } => {
                self.line(&format!("! rolling back {step}: {because}"));
            }
            Event::Reconciling { step } => {
                self.line(&format!("  asking what became of {step}"));
            }
            Event::NotYet { step, detail } => {
                let words = format!("{step}: {detail}");
                if self.verbose {
                    self.line(&format!("  {words}"));
                } else {
                    self.message(words);
                }
            }
            Event::Ended {
                verb,
                name,
                how,
                detail,
                ..
            } => {
                if *how == "done" {
                    if let Some(bar) = &self.bar {
                        bar.inc(1);
                    }
                    if self.verbose || self.bar.is_none() {
                        self.line(&format!("  {verb:<8} {name}  {detail}"));
                    }
                } else {
                    self.line(&format!("! {verb:<8} {name}: {how}: {detail}"));
                }
            }
        }
    }

    fn message(&self, text: String) {
        if let Some(bar) = &self.bar {
            bar.set_message(relatch_secret::redact::printable_text(&text));
        }
    }

    fn line(&self, text: &str) {
        let text = relatch_secret::redact::printable_text(text);
        match &self.bar {
            Some(bar) => bar.println(text),
            None => self.printer.note(&text),
        }
    }
}
