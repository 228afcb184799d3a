//! How `top` looks: everything important fits into 80 columns and 24 lines.

use std::time::{Duration, SystemTime};

use gargoyle::observe::{Sample, SaveTimes};
use ratatui::Frame;
use ratatui::layout::{Alignment, Constraint, Layout, Rect};
use ratatui::style::{Style, Stylize};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Cell, Paragraph, Row, Table};

use super::board::{self, Board, Column, Lower};
use crate::text::{escape, shown, shown_time};

/// Lines of the head, and of what is below the table.
const HEAD: u16 = 5;
const LOWER: u16 = 6;

pub(super) fn draw(frame: &mut Frame<'_>, board: &mut Board) {
    let areas = Layout::vertical([
        Constraint::Length(HEAD),
        Constraint::Min(3),
        Constraint::Length(LOWER),
        Constraint::Length(1),
    ]);
    let [head, middle, lower, foot] = areas.areas(frame.area());
    frame.render_widget(Paragraph::new(head_lines(board)), head);
    table(frame, board, middle);
    frame.render_widget(Paragraph::new(lower_lines(board)), lower);
    let keys = " q quit  ←→ or a first letter: sort  r reverse  ↑↓ scroll  p pause  tab below ";
    frame.render_widget(Paragraph::new(keys).reversed(), foot);
}

fn head_lines(board: &Board) -> Vec<Line<'static>> {
    let place = escape(&board.place);
    let Some(sample) = &board.sample else {
        let waits = board.trouble.as_ref().map_or("waits for the first sample".to_owned(), |trouble| escape(trouble));
        return vec![Line::from(vec!["gargoyle top ".bold(), place.into()]), Line::from(waits)];
    };
    let mut title = vec![
        "gargoyle top ".bold(),
        place.into(),
        format!("  process {}  up {}  {}", sample.process, up(sample), clock(sample.at_ms)).into(),
    ];
    if board.paused {
        title.push("  paused".yellow());
    }
    let second = match &board.trouble {
        Some(trouble) => Line::from(escape(trouble)).red(),
        None => totals(sample),
    };
    vec![Line::from(title), second, alive(sample), flow(board), save_line(board)]
}

fn alive(sample: &Sample) -> Line<'static> {
    let waiting: u64 = sample.actors.iter().map(|actor| actor.queued).sum();
    let busy = sample.actors.iter().filter(|actor| !actor.idle).count();
    let quarantined = format!("  quarantined {}", sample.quarantined);
    Line::from(vec![
        format!("alive {}", sample.stats.live).bold(),
        format!(" of {}, most {}  busy {busy}  messages that wait {waiting}", sample.max_live, sample.stats.live_peak)
            .into(),
        if sample.quarantined > 0 { quarantined.red() } else { quarantined.into() },
    ])
}

fn flow(board: &Board) -> Line<'static> {
    let rates = board.rates.as_ref();
    let shown = |rate: fn(&board::Rates) -> f64| rates.map_or("–".to_owned(), |rates| number(rate(rates)));
    Line::from(vec![
        "in a second: ".into(),
        format!("messages {}", shown(|rates| rates.messages)).bold(),
        format!("  turns {}", shown(|rates| rates.turns)).into(),
        format!("  saves {}", shown(|rates| rates.saves)).bold(),
    ])
}

/// Of the last interval, or of all time if there was no save in it.
fn save_line(board: &Board) -> Line<'static> {
    let lately = board.rates.as_ref().map(|rates| &rates.save_times).filter(|times| times.count() > 0);
    let all = board.sample.as_ref().map(|sample| &sample.saves);
    let percentiles = |times: &SaveTimes| {
        let parts = [("half", 50.0), ("90%", 90.0), ("99%", 99.0), ("all", 100.0)];
        let part = |(name, percent)| Some(format!("{name} {}", time(times.percentile(percent)?)));
        parts.into_iter().filter_map(part).collect::<Vec<_>>().join("  ")
    };
    Line::from(match (lately, all) {
        (Some(times), _) => format!("saves now take at most: {}", percentiles(times)),
        (None, Some(times)) if times.count() > 0 => format!("saves took at most: {}", percentiles(times)),
        _ => "nothing was saved".to_owned(),
    })
}

fn totals(sample: &Sample) -> Line<'static> {
    let stats = &sample.stats;
    let counts = [
        ("born", stats.born),
        ("revived", stats.revived),
        ("petrified", stats.petrified),
        ("stopped", stats.stopped),
        ("crashed", stats.crashed),
        ("undelivered", stats.undeliverable),
    ];
    Line::from(counts.map(|(what, count)| format!("{what} {}", number(count as f64))).join("  "))
}

fn table(frame: &mut Frame<'_>, board: &mut Board, area: Rect) {
    board.page = usize::from(area.height.saturating_sub(1)).max(1);
    let title = |column: Column| {
        let mark = match (board.by == column, board.reversed) {
            (false, _) => ' ',
            (true, false) => '▼',
            (true, true) => '▲',
        };
        let title = Line::from(format!("{}{mark}", column.title()));
        if column == Column::Actor { title } else { title.alignment(Alignment::Right) }
    };
    let header = Row::new(Column::ALL.map(|column| Cell::from(title(column)))).style(Style::new().reversed());
    let widths = [8, 10, 8, 8, 10];
    let space: u16 = area.width.saturating_sub(widths.iter().map(|width| width + 1).sum());
    let rows = board.rows.iter().skip(board.top).take(board.page).map(|shown| row(shown, space.into()));
    let widths = [space].into_iter().chain(widths).map(Constraint::Length);
    frame.render_widget(Table::new(rows, widths).header(header).column_spacing(1), area);
}

/// The text in so many columns: the ends of two long keys differ more often than their middles.
fn shortened(text: String, columns: usize) -> String {
    let width = |text: &str| Span::raw(text).width();
    if width(&text) <= columns {
        return text;
    }
    let (mut head, mut tail) = (String::new(), String::new());
    let mut chars = text.chars();
    for c in chars.by_ref() {
        if width(&head) + width(c.encode_utf8(&mut [0; 4])) > columns / 2 {
            break;
        }
        head.push(c);
    }
    for c in chars.rev() {
        if width(&head) + 1 + width(&tail) + width(c.encode_utf8(&mut [0; 4])) > columns {
            break;
        }
        tail.insert(0, c);
    }
    format!("{head}…{tail}")
}

fn row(row: &board::Row, space: usize) -> Row<'static> {
    let actor = &row.actor;
    let right = |text: String| Cell::from(Line::from(text).alignment(Alignment::Right));
    let rate = |which: usize| right(row.rates.map_or("–".to_owned(), |rates| number(rates[which])));
    let last_save = actor.last_save_ns.map_or("–".to_owned(), |ns| time(Duration::from_nanos(ns)));
    let cells = [
        Cell::from(shortened(shown(&actor.id), space)),
        right(number(actor.queued as f64)),
        rate(0),
        rate(1),
        rate(2),
        right(last_save),
    ];
    let drawn = Row::new(cells);
    if actor.idle { drawn.dim() } else { drawn }
}

fn lower_lines(board: &Board) -> Vec<Line<'static>> {
    let most = usize::from(LOWER) - 1;
    let Some(sample) = &board.sample else { return Vec::new() };
    let (title, lines): (_, Vec<Line<'static>>) = match board.lower {
        Lower::Failures => {
            let line = |failure: &gargoyle::observe::LateFailure| {
                Line::from(vec![Span::from(clock(failure.at_ms)).dim(), " ".into(), escape(&failure.what).into()])
            };
            // The newest first.
            ("failed last", sample.failures.iter().rev().take(most).map(line).collect())
        }
        Lower::Quarantined => {
            let line = |sick: &gargoyle::observe::Quarantined| {
                let left = Duration::from_millis(sick.left_ms);
                Line::from(format!("{} for {left:.1?}: {}", shown(&sick.id), escape(&sick.last)))
            };
            ("quarantined", sample.quarantine.iter().take(most).map(line).collect())
        }
    };
    let title = if lines.is_empty() { format!("{title}: none") } else { format!("{title}:") };
    let mut all = vec![Line::from(title).bold()];
    all.extend(lines);
    all
}

fn up(sample: &Sample) -> String {
    humantime::format_duration(Duration::from_secs(sample.up_us / 1_000_000)).to_string()
}

/// The time of day, by the world's clock.
fn clock(ms: u64) -> String {
    let time = shown_time(SystemTime::UNIX_EPOCH + Duration::from_millis(ms));
    time.split_once('T').map_or_else(|| time.clone(), |(_, clock)| clock.to_owned())
}

/// A number in at most six characters.
fn number(value: f64) -> String {
    match value {
        v if v >= 9_999_500.0 => format!("{:.0}M", v / 1e6),
        v if v >= 99_950.0 => format!("{:.0}k", v / 1e3),
        v if v >= 9_999.5 => format!("{:.1}k", v / 1e3),
        v if v >= 99.95 || v.fract() == 0.0 => format!("{v:.0}"),
        v => format!("{v:.1}"),
    }
}

/// A time in at most seven characters.
fn time(time: Duration) -> String {
    let ns = time.as_nanos() as f64;
    let (value, unit) = match ns {
        ns if ns < 999.5 => (ns, "ns"),
        ns if ns < 999_500.0 => (ns / 1e3, "µs"),
        ns if ns < 999_500_000.0 => (ns / 1e6, "ms"),
        ns => (ns / 1e9, "s"),
    };
    if value < 9.995 && unit != "ns" {
        format!("{value:.2} {unit}")
    } else if value < 99.95 && unit != "ns" {
        format!("{value:.1} {unit}")
    } else {
        format!("{value:.0} {unit}")
    }
}

#[cfg(test)]
mod tests {
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;
    use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

    use super::super::board::tests::{board, sample};
    use super::*;

    fn screen(board: &mut Board, width: u16, height: u16) -> Vec<String> {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| draw(frame, board)).unwrap();
        let buffer = terminal.backend().buffer();
        let line = |y: u16| (0..width).map(|x| buffer[(x, y)].symbol()).collect::<String>().trim_end().to_owned();
        (0..height).map(line).collect()
    }

    #[test]
    fn all_of_it_fits_into_80_columns_and_24_lines() {
        let mut board = board(40);
        let screen = screen(&mut board, 80, 24);
        let expected = [
            "gargoyle top bank  process 4711  up 4s  22:13:24Z",
            "born 12  revived 34  petrified 43  stopped 0  crashed 3  undelivered 0",
            "alive 40 of 8191, most 43  busy 32  messages that wait 80  quarantined 1",
            "in a second: messages 300  turns 150  saves 30",
            "saves now take at most: half 1.00 µs  90% 2.00 µs  99% 2.00 µs  all 2.00 µs",
            "actor                           mailbox▼ handled/s  turns/s  saves/s  last save",
            "account/number 12                      4       1200      600      120    83.3 µs",
        ];
        assert_eq!(screen[..expected.len()], expected);
        assert_eq!(screen[17], "failed last:");
        assert_eq!(screen[18], "22:13:22Z account/number 2 crashed: the actor panicked: no 2");
        assert_eq!(screen[20], "22:13:20Z account/number 0 crashed: the actor panicked: no 0");
        assert!(screen[23].starts_with(" q quit"), "{}", screen[23]);
        assert_eq!(board.page, 11);
        assert!(screen[6..17].iter().all(|line| line.starts_with("account/number ")), "{screen:#?}");
    }

    #[test]
    fn nothing_of_an_actors_text_reaches_the_terminal_as_a_command() {
        let mut board = board(1);
        board.press(KeyEvent::new(KeyCode::Tab, KeyModifiers::NONE));
        let screen = screen(&mut board, 80, 24);
        assert_eq!(screen[17], "quarantined:");
        assert_eq!(screen[18], r"account/bad\u{1b}[2J for 1.5s: the actor panicked: no");
    }

    #[test]
    fn it_can_be_drawn_at_every_size_and_at_every_time() {
        let mut before = Board::new("bank".to_owned());
        assert_eq!(screen(&mut before, 80, 24)[1], "waits for the first sample");
        before.hear(Err("nobody\u{7}".to_owned()));
        assert_eq!(screen(&mut before, 80, 24)[1], r"nobody\u{7}");
        let mut one = Board::new("bank".to_owned());
        one.hear(Ok(Box::new(sample(1_000_000, 3))));
        assert!(screen(&mut one, 80, 24)[6].contains('–'), "no rates of one sample");
        let mut empty = board(0);
        let mut ended = board(3);
        ended.hear(Err("the system has shut down".to_owned()));
        assert_eq!(screen(&mut ended, 80, 24)[1], "the system has shut down");
        let mut full = board(100);
        for (width, height) in [(0, 0), (1, 1), (20, 5), (80, 8), (80, 24), (300, 100)] {
            for board in [&mut before, &mut one, &mut empty, &mut ended, &mut full] {
                assert_eq!(screen(board, width, height).len(), usize::from(height));
            }
        }
    }

    #[test]
    fn a_long_key_is_cut_in_its_middle() {
        let cut = |text: &str, columns| shortened(text.to_owned(), columns);
        assert_eq!(cut("account/alice", 13), "account/alice");
        assert_eq!(cut("game/kasparov-deep-blue-1997-2-0042", 20), "game/kaspa…97-2-0042");
        assert_eq!(cut("日本日本日本", 12), "日本日本日本");
        assert_eq!(cut("日本日本日本", 9), "日本…日本");
        assert_eq!(cut("abc", 1), "…");
    }

    #[test]
    fn numbers_and_times_are_short() {
        let numbers = [0.0, 0.04, 3.0, 3.12, 99.94, 99.96, 9_999.0, 10_000.0, 99_949.0, 100_000.0, 9_999_499.0, 1e7];
        let shown = ["0", "0.0", "3", "3.1", "99.9", "100", "9999", "10.0k", "99.9k", "100k", "9999k", "10M"];
        assert_eq!(numbers.map(number), shown);
        let times = [0, 999, 1_000, 9_994, 99_940, 999_400, 1_000_000, 12_345_678, 999_600_000, 61_000_000_000];
        let shown =
            ["0 ns", "999 ns", "1.00 µs", "9.99 µs", "99.9 µs", "999 µs", "1.00 ms", "12.3 ms", "1.00 s", "61.0 s"];
        assert_eq!(times.map(|ns| time(Duration::from_nanos(ns))), shown);
    }
}
