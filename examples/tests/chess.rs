//! Does the chess program keep what it promises, seen from outside: output, exit status, and what is in the folder?
//!
//! `cargo test` builds the example before it runs this. With `--test chess` it does not: then build it before.

use std::env;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use gargoyle::ActorId;
use gargoyle_storage_fs::FsStorage;
use serde_json::Value;
use tempfile::TempDir;

/// The fields of `--json`, as the README has them.
const FIELDS: [&str; 9] = [
    "boards",
    "moves_total",
    "moves_found",
    "moves_played",
    "mismatches",
    "peak_live",
    "petrified",
    "revived",
    "seconds",
];

/// Each of the bundled games twice.
const BOARDS: &str = "28";

fn program() -> PathBuf {
    let this = env::current_exe().unwrap();
    let profile = this.parent().and_then(Path::parent).expect("tests are in target/<profile>/deps");
    let program = profile.join("examples").join("chess").with_extension(env::consts::EXE_EXTENSION);
    assert!(program.exists(), "{} is missing: run cargo build --example chess", program.display());
    program
}

/// What keeps the boards beyond a run.
const DURABLE: [&str; 2] = ["fs", "lmdb"];

/// A folder that the program is run in, again and again.
struct Club(TempDir);

impl Club {
    fn new() -> Self {
        Club(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(program());
        command.current_dir(self.0.path()).args(arguments);
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// A run with `--json` that has to end with this status.
    fn report(&self, arguments: &[&str], status: i32) -> Report {
        let output = self.run(&[arguments, &["--json"]].concat());
        assert_eq!(output.status.code(), Some(status), "{output:?}");
        let last = text(&output.stdout).lines().last().expect("there is output").to_owned();
        Report { json: serde_json::from_str(&last).unwrap(), stderr: text(&output.stderr) }
    }

    /// A run that kills itself after so many moves.
    fn killed_run(&self, arguments: &[&str], moves: u64) {
        let output = self.run(&[arguments, &["--kill-after", &moves.to_string()]].concat());
        assert!(was_killed(&output), "{output:?}");
    }

    /// The file of a board.
    fn record(&self, key: &str) -> PathBuf {
        let store = FsStorage::open(self.path("chess-data")).unwrap();
        store.path_of(&ActorId::new("chess-game", key).unwrap())
    }

    fn write_game(&self, file: &str, moves: &str) {
        fs::create_dir_all(self.path(file).parent().unwrap()).unwrap();
        fs::write(self.path(file), format!("[White \"A\"]\n[Black \"B\"]\n\n{moves}\n")).unwrap();
    }
}

struct Report {
    json: Value,
    stderr: String,
}

impl Report {
    fn number(&self, field: &str) -> u64 {
        self.json[field].as_u64().unwrap_or_else(|| panic!("{field} is a whole number: {}", self.json))
    }

    /// Every move was found or played, and all boards are as they should be.
    fn assert_whole(&self) {
        assert_eq!(self.number("mismatches"), 0);
        assert_eq!(self.number("moves_found") + self.number("moves_played"), self.number("moves_total"));
        assert_eq!(self.stderr, "");
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[cfg(unix)]
fn was_killed(output: &Output) -> bool {
    use std::os::unix::process::ExitStatusExt;
    output.status.signal() == Some(9)
}

#[cfg(not(unix))]
fn was_killed(output: &Output) -> bool {
    !output.status.success() && output.stderr.is_empty()
}

#[test]
fn a_full_run_plays_every_board_to_its_end() {
    for store in ["fs", "lmdb", "memory"] {
        let report = Club::new().report(&["--boards", BOARDS, "--idle", "5", "--store", store], 0);
        report.assert_whole();
        assert_eq!((report.number("boards"), report.number("moves_found")), (28, 0));
        assert!((1..=28).contains(&report.number("peak_live")), "{}", report.json);
        assert!(report.number("petrified") > 0);
        assert!(report.json["seconds"].as_f64().unwrap() > 0.0);
    }
}

#[test]
fn the_fields_of_a_report_are_those_of_the_readme() {
    let report = Club::new().report(&["--boards", "1", "--store", "memory"], 0);

    let mut fields: Vec<&str> = report.json.as_object().unwrap().keys().map(String::as_str).collect();
    let mut documented = FIELDS.to_vec();
    fields.sort();
    documented.sort();
    assert_eq!(fields, documented);
    let readme = include_str!("../README.md");
    assert!(FIELDS.iter().all(|field| readme.contains(&format!("`{field}`"))));
}

#[test]
fn games_turn_to_stone_and_come_back_while_others_are_played() {
    // One caller and the shortest idle time: most boards are at rest for longer than that between their moves.
    let report = Club::new().report(&["--boards", "112", "--idle", "1", "--threads", "1"], 0);
    report.assert_whole();
    assert!(report.number("peak_live") < 112, "{}", report.json);
    assert!(report.number("revived") > 0 && report.number("petrified") > report.number("revived"), "{}", report.json);
}

#[test]
fn a_second_run_finds_everything_and_wakes_nobody() {
    for store in DURABLE {
        let club = Club::new();
        let first = club.report(&["--boards", BOARDS, "--store", store], 0);
        let second = club.report(&["--boards", BOARDS, "--store", store], 0);
        second.assert_whole();
        assert_eq!(second.number("moves_found"), first.number("moves_played"));
        for nothing in ["moves_played", "peak_live", "petrified", "revived"] {
            assert_eq!(second.number(nothing), 0, "{nothing}");
        }
    }
}

#[test]
fn a_club_in_memory_begins_anew_and_leaves_nothing_behind() {
    let club = Club::new();
    for _ in 0..2 {
        let report = club.report(&["--boards", "14", "--store", "memory"], 0);
        report.assert_whole();
        assert_eq!(report.number("moves_found"), 0);
    }
    let shown = text(&club.run(&["--boards", "1", "--store", "memory"]).stdout);
    assert!(shown.starts_with("1 boards in memory, 0 moves found there\n"), "{shown}");
    assert_eq!(fs::read_dir(club.path(".")).unwrap().count(), 0);
}

#[test]
fn a_folder_with_another_kind_of_store_is_refused() {
    for (made, asked) in [("fs", "lmdb"), ("lmdb", "fs")] {
        let club = Club::new();
        club.report(&["--boards", "1", "--store", made], 0);
        let output = club.run(&["--boards", "1", "--store", asked]);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert!(text(&output.stderr).contains("is not a store"), "{output:?}");
    }
}

#[test]
fn more_boards_are_played_beside_those_that_are_finished() {
    let club = Club::new();
    let first = club.report(&["--boards", "14", "--seed", "1"], 0);
    let second = club.report(&["--boards", BOARDS, "--seed", "2", "--threads", "1"], 0);
    second.assert_whole();
    assert_eq!(second.number("moves_found"), first.number("moves_played"));
    assert_eq!(second.number("moves_total"), 2 * first.number("moves_total"));
}

#[test]
fn more_callers_than_boards_do_no_harm() {
    Club::new().report(&["--boards", "3", "--threads", "64"], 0).assert_whole();
}

#[test]
fn what_was_acknowledged_before_a_kill_is_there_after_it() {
    for store in DURABLE {
        let club = Club::new();
        club.killed_run(&["--boards", BOARDS, "--store", store], 300);
        let report = club.report(&["--boards", BOARDS, "--store", store], 0);
        report.assert_whole();
        assert!(report.number("moves_found") >= 300, "{}", report.json);
        assert!(report.number("moves_played") > 0, "{}", report.json);
    }
}

#[test]
fn many_kills_lose_nothing() {
    DURABLE.into_iter().for_each(many_kills_of);
}

fn many_kills_of(store: &str) {
    let club = Club::new();
    let mut rng = fastrand::Rng::with_seed(2024);
    let mut acknowledged = 0;
    for run in 0..6 {
        let (moves, seed) = (rng.u64(1..=200), rng.u32(..).to_string());
        let threads = rng.u8(1..=16).to_string();
        let options = ["--store", store, "--idle", "2", "--seed", &seed, "--threads", &threads];
        club.killed_run(&[&["--boards", BOARDS], &options[..]].concat(), moves);
        acknowledged += moves;
        println!("{store}, run {run}: killed after {moves} moves, {acknowledged} in all");
    }
    let report = club.report(&["--boards", BOARDS, "--store", store], 0);
    report.assert_whole();
    assert!(report.number("moves_found") >= acknowledged, "{acknowledged} acknowledged, {}", report.json);
}

#[test]
fn one_process_has_the_folder_at_a_time() {
    /// However the test ends.
    struct KilledInTheEnd(Child);
    impl Drop for KilledInTheEnd {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    let club = Club::new();
    // Enough to be at it for longer than this test.
    let mut first = club.command(&["--boards", "20000"]).stdout(Stdio::piped()).spawn().map(KilledInTheEnd).unwrap();
    let mut announced = String::new();
    BufReader::new(first.0.stdout.take().unwrap()).read_line(&mut announced).unwrap();
    assert!(announced.starts_with("20000 boards in chess-data"), "{announced}");

    let second = club.run(&["--boards", "1"]);
    let complaint = text(&second.stderr);
    assert_eq!(second.status.code(), Some(1), "{complaint}");
    assert!(complaint.contains("chess-data is open already"), "{complaint}");
    assert_eq!(complaint.lines().count(), 1, "{complaint}");

    drop(first);
    club.report(&["--boards", "1"], 0).assert_whole();
}

#[test]
fn a_bad_file_is_refused_before_anything_is_played() {
    let cases = [
        ("ambiguous-move.pgn", ["game 1", "3. Nd2 is ambiguous"]),
        ("bad-fen.pgn", ["game 1", "FEN"]),
        ("illegal-move.pgn", ["game 1", "3. Nxc6 is not legal"]),
        ("no-games.pgn", ["no game", ""]),
        ("unknown-variant.pgn", ["game 1", "Crazyhouse"]),
        ("unterminated-comment.pgn", ["game 1", "comment"]),
    ];
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/bad");
    assert_eq!(fs::read_dir(&folder).unwrap().count(), cases.len(), "each bad file has its case");
    let good = folder.with_file_name("chess960.pgn");
    for (file, said) in cases {
        let club = Club::new();
        let output = club.run(&[good.to_str().unwrap(), folder.join(file).to_str().unwrap()]);
        let complaint = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{complaint}");
        assert!(complaint.contains(file) && said.iter().all(|part| complaint.contains(part)), "{complaint}");
        assert!(!club.path("chess-data").exists());
    }
}

#[test]
fn what_cannot_be_meant_is_refused() {
    let club = Club::new();
    club.write_game("a/game.pgn", "1. e4 *");
    club.write_game("b/game.pgn", "1. d4 *");
    for arguments in
        [&["a/game.pgn", "b/game.pgn"][..], &["missing.pgn"], &["--boards", "0"], &["--idle", "0"], &["--boats", "7"]]
    {
        let output = club.run(arguments);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert!(!output.stderr.is_empty());
    }
    assert!(!club.path("chess-data").exists());
}

#[test]
fn a_board_that_disagrees_with_its_file_is_named() {
    let club = Club::new();
    club.write_game("a/game.pgn", "1. e4 e5 2. Nf3 1-0");
    club.write_game("b/game.pgn", "1. e4 c5 2. Nf3 1-0");
    club.report(&["a/game.pgn", "--boards", "1"], 0).assert_whole();
    let report = club.report(&["b/game.pgn", "--boards", "2"], 1);
    assert_eq!((report.number("mismatches"), report.number("moves_played")), (1, 3));
    assert_eq!(
        report.stderr,
        "chess: board game-1-1 is not as it should be: move 1... is e5 in the store and c5 in the file\n"
    );
}

#[test]
fn a_game_that_went_on_is_played_on() {
    let club = Club::new();
    club.write_game("game.pgn", "1. e4 e5 *");
    club.report(&["game.pgn", "--boards", "1"], 0).assert_whole();
    club.write_game("game.pgn", "1. e4 e5 2. Nf3 1-0");
    let report = club.report(&["game.pgn", "--boards", "1"], 0);
    report.assert_whole();
    assert_eq!((report.number("moves_found"), report.number("moves_played")), (2, 1));
}

#[test]
fn a_damaged_board_is_named_and_the_others_are_played() {
    let club = Club::new();
    club.report(&["--boards", "14"], 0);
    let record = club.record("chess960-2-1");
    let length = fs::metadata(&record).unwrap().len() as usize;
    fs::write(&record, vec![0xff; length]).unwrap();

    let report = club.report(&["--boards", BOARDS], 1);
    assert_eq!(report.number("mismatches"), 1);
    assert_eq!(report.number("moves_found") + report.number("moves_played") + 26, report.number("moves_total"));
    assert_eq!(report.stderr.lines().count(), 1, "{}", report.stderr);
    assert!(report.stderr.contains("board chess960-2-1 cannot be read"), "{}", report.stderr);
    assert!(report.stderr.contains("is damaged"), "{}", report.stderr);
    assert_eq!(fs::read(&record).unwrap(), vec![0xff; length], "damage is left as it is");
}

#[test]
fn a_folder_of_somebody_else_is_left_alone() {
    let club = Club::new();
    fs::create_dir(club.path("chess-data")).unwrap();
    fs::write(club.path("chess-data/letter.txt"), "Dear").unwrap();
    let output = club.run(&[]);
    let complaint = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{complaint}");
    assert!(complaint.contains("chess-data is not a store"), "{complaint}");
    assert_eq!(fs::read_dir(club.path("chess-data")).unwrap().count(), 1);
}

#[test]
fn a_pipe_gets_the_summary_and_no_progress_bar() {
    let club = Club::new();
    let output = club.run(&["--boards", "14"]);
    let shown = text(&output.stdout);
    assert!(shown.starts_with("14 boards in chess-data, 0 moves found there\n"), "{shown}");
    assert!(shown.contains("mismatches                0\n"), "{shown}");
    assert!(shown.contains("♚") && shown.ends_with("  a b c d e f g h\n"), "{shown}");
    assert!(!shown.contains(['\r', '\u{1b}', '█', '░']), "{shown}");
    assert_eq!(text(&output.stderr), "");
}
