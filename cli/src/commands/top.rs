//! `top`: what a running system does, on the terminal until a key ends it, or one sample as JSON.

mod board;
mod view;

use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::thread;
use std::time::{Duration, Instant};

use gargoyle::BoxError;
use gargoyle::observe::{ObserveError, Observer, Sample};
use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyEventKind};

use self::board::{Board, Next};
use crate::terminal;
use crate::text::chain;

/// How often the keyboard is looked at: nobody notices.
const BLINK: Duration = Duration::from_millis(50);

/// What the thread that asks has to say.
type News = Result<Box<Sample>, String>;

pub(crate) fn run(folder: &Path, json: bool, interval: Duration) -> Result<(), BoxError> {
    // Whoever asks for a system that nobody runs hears of it before the screen is taken.
    let mut observer = Observer::connect(folder)?;
    if json {
        let line = one_line(&observer.sample()?)?;
        writeln!(io::stdout(), "{line}")?;
        return Ok(());
    }
    if !io::stdout().is_terminal() {
        return Err("standard output is not a terminal; --json prints one sample".into());
    }
    let (tell, news) = mpsc::sync_channel(1);
    let place = folder.to_owned();
    thread::spawn(move || ask(&place, observer, interval, &tell));
    let mut terminal = ratatui::try_init()?;
    let shown = show(&mut terminal, &news, Board::new(folder.display().to_string()));
    ratatui::try_restore()?;
    Ok(shown?)
}

/// A sample with what a script would have to work out of it.
fn one_line(sample: &Sample) -> Result<String, serde_json::Error> {
    let mut line = serde_json::to_value(sample)?;
    let of = |percent| sample.saves.percentile(percent).map(|took| u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
    line["save_ns"] = serde_json::json!({"p50": of(50.0), "p90": of(90.0), "p99": of(99.0), "max": of(100.0)});
    terminal::json(&line)
}

/// Takes a sample in each interval until nobody wants one. A system that has ended may come back.
fn ask(folder: &PathBuf, first: Observer, interval: Duration, tell: &SyncSender<News>) {
    let mut observer = Some(first);
    loop {
        let asked = Instant::now();
        let sample = match observer.take() {
            Some(observer) => Ok(observer),
            None => Observer::connect(folder),
        }
        .and_then(|mut connected| {
            let sample = connected.sample()?;
            observer = Some(connected);
            Ok(Box::new(sample))
        });
        if tell.send(sample.map_err(|error| in_short(&error))).is_err() {
            return;
        }
        thread::sleep(interval.saturating_sub(asked.elapsed()));
    }
}

/// What fits into a line of the screen.
fn in_short(error: &ObserveError) -> String {
    match error {
        ObserveError::Nobody { .. } | ObserveError::Io { .. } => {
            "no system is observed here any more; waits for the next one".to_owned()
        }
        error => chain(error),
    }
}

fn show(terminal: &mut DefaultTerminal, news: &Receiver<News>, mut board: Board) -> io::Result<()> {
    let mut changed = true;
    loop {
        while let Ok(news) = news.try_recv() {
            board.hear(news);
            changed = true;
        }
        if std::mem::take(&mut changed) {
            terminal.draw(|frame| view::draw(frame, &mut board))?;
        }
        if !event::poll(BLINK)? {
            continue;
        }
        changed = true;
        match event::read()? {
            Event::Key(key) if key.kind != KeyEventKind::Release => {
                if let Next::Quit = board.press(key) {
                    return Ok(());
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::board::tests::sample;

    #[test]
    fn a_line_has_the_percentiles_that_nobody_should_have_to_work_out() {
        let line = super::one_line(&sample(2_000_000, 3)).unwrap();
        assert!(!line.contains('\n'));
        let value: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(value["save_ns"], serde_json::json!({"p50": 1000, "p90": 2000, "p99": 2000, "max": 2000}));
        assert_eq!(value["version"], 1);
    }
}
