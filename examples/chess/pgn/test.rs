//! Are games read as tolerantly as people write them, and refused when they cannot have been played?

use super::{Game, PgnError, read};
use crate::rules::Variant;
use proptest::prelude::*;

const DEEP_BLUE: &[u8] = include_bytes!("../../data/kasparov-deep-blue-1997.pgn");

fn games(text: &str) -> Vec<Game> {
    read(text.as_bytes()).expect("a good file")
}

/// The moves of the only game.
fn moves(text: &str) -> String {
    let games = games(text);
    assert_eq!(games.len(), 1, "{text}");
    games[0].moves.join(" ")
}

fn refusal(text: &str) -> String {
    read(text.as_bytes()).expect_err("a bad file").to_string()
}

#[test]
fn the_deep_blue_match_is_six_legal_games() {
    let games = read(DEEP_BLUE).expect("a good file");
    let results: Vec<&str> = games.iter().map(|game| game.result).collect();
    assert_eq!(results, ["1-0", "1-0", "1/2-1/2", "1/2-1/2", "1/2-1/2", "1-0"]);
    assert_eq!((games[5].white(), games[5].black()), ("Deep Blue (Computer)", "Garry Kasparov"));
    assert_eq!(games[5].end.to_string(), "r1k4r/p2nb1p1/2b4p/1p1n1p2/2PP4/3Q1NB1/1P3PPP/R5K1 b - c3 0 19");
    for game in &games {
        assert_eq!(game.tag("plycount"), Some(game.moves.len().to_string().as_str()));
    }
}

#[test]
fn the_bundled_single_games_are_legal() {
    let molinari = read(include_bytes!("../../data/molinari-bordais-1979.pgn")).expect("a good file");
    assert_eq!(molinari[0].moves.last().map(String::as_str), Some("Nd3#"));
    let nepo = read(include_bytes!("../../data/nepomniachtchi-liren-game1.pgn")).expect("a good file");
    assert_eq!(nepo[0].end.to_string(), "8/3b1kp1/5p2/1p5p/1BpN1P1P/P1P1K1P1/8/2n5 b - - 2 49");
}

#[test]
fn the_bundled_chess960_games_are_legal() {
    let games = read(include_bytes!("../../data/chess960.pgn")).expect("a good file");
    assert!(games.iter().all(|game| game.variant == Variant::Chess960));
    assert_eq!(games[0].end.to_string(), "br2qrkb/1ppn1ppp/8/p7/3NP3/5P2/1PPQ2PP/B1KR2RB b - - 1 13");
    assert_eq!(games[1].end.to_string(), "r1b2rk1/pppp1ppp/3n4/6B1/3p4/1Q1P4/PPP2PPP/R2Bq1K1 w - - 2 14");
}

#[test]
fn the_bundled_odd_file_is_legal() {
    let games = read(include_bytes!("../../data/odd-but-legal.pgn")).expect("a good file");
    let facts: Vec<_> = games.iter().map(|game| (game.moves.len(), game.result)).collect();
    assert_eq!(facts, [(23, "1-0"), (0, "*"), (10, "*")]);
    assert_eq!(games[0].tag("Event"), Some("Odd but \"legal\" [all of it]"));
    assert_eq!(games[0].white(), "Müller, Jörg");
    assert_eq!(games[0].end.to_string(), "3r1rk1/pp3ppp/2n1p1n1/5b2/1b1PN3/2N5/PPP1BPPP/R1BQ1RK1 b - - 4 12");
}

#[test]
fn the_bundled_bad_files_are_refused() {
    let refusal = |bytes: &[u8]| read(bytes).expect_err("a bad file").to_string();
    let game = "game 1 (Study White - Study Black), line";
    assert_eq!(
        refusal(include_bytes!("../../data/bad/illegal-move.pgn")),
        format!("{game} 5: move 3. Nxc6 is not legal in this position")
    );
    assert_eq!(
        refusal(include_bytes!("../../data/bad/ambiguous-move.pgn")),
        format!("{game} 5: move 3. Nd2 is ambiguous: it may be Nbd2 or Nfd2")
    );
    assert_eq!(
        refusal(include_bytes!("../../data/bad/unknown-variant.pgn")),
        format!("{game} 4: variant \"Crazyhouse\" is not played here, only standard chess and Chess960 are")
    );
    assert_eq!(
        refusal(include_bytes!("../../data/bad/bad-fen.pgn")),
        format!("{game} 5: FEN \"8/8/8/8/8/8/4P3/4K3 w - - 0 1\" is refused: no game can have this board")
    );
    assert_eq!(
        refusal(include_bytes!("../../data/bad/unterminated-comment.pgn")),
        format!("{game} 5: the comment that begins here is never closed")
    );
    assert_eq!(refusal(include_bytes!("../../data/bad/no-games.pgn")), "it holds no game");
}

#[test]
fn a_byte_order_mark_is_skipped() {
    assert_eq!(moves("\u{feff}1. e4 *"), "e4");
    assert_eq!(games("1. e4 *\n\u{feff}[Event \"Joined\"]\n1. d4 *").len(), 2);
}

#[test]
fn latin_1_names_and_comments_are_read() {
    let games = read(b"[White \"M\xfcller\"]\n1. e4 { \xe9t\xe9 } e5 *").expect("a good file");
    assert_eq!((games[0].white(), games[0].moves.len()), ("Müller", 2));
}

#[test]
fn comments_may_span_lines_and_hold_anything_but_their_end() {
    assert_eq!(moves("1. e4 { (((\n[Event \"No\"]\n; 1-0 { % } e5{glued}2.d4 *"), "e4 e5 d4");
}

#[test]
fn a_semicolon_comments_out_the_rest_of_the_line() {
    assert_eq!(moves("1. e4;e5 { ( [\ne5 ; the end"), "e4 e5");
}

#[test]
fn a_percent_sign_escapes_a_line_only_at_its_start() {
    assert_eq!(moves("% { (\n1. e4\n% ) 1-0\n%\ne5"), "e4 e5");
    assert!(refusal("1. e4 %e5").ends_with("move 1... %e5 is not written as a move"));
}

#[test]
fn variations_nest_and_may_hold_comments_and_null_moves() {
    assert_eq!(moves("1. e4 (1. d4 { :-) } d5 (1... -- ; )\n 2. Z0) 1-0 * nonsense)(1. c4) e5 *"), "e4 e5");
}

#[test]
fn annotations_are_skipped() {
    assert_eq!(moves("1. e4! $1 e5?? $4$18 2. d4 !? exd4$1 3. e5 d5 4. exd6 e.p. *"), "e4 e5 d4 exd4 e5 d5 exd6");
}

#[test]
fn move_numbers_come_in_all_shapes() {
    assert_eq!(
        moves("1.e4 1...e5 2 . d4 2. ... exd4 3 c3 dxc3 4.\nNxc3 4… d6 5Bc4"),
        "e4 e5 d4 exd4 c3 dxc3 Nxc3 d6 Bc4"
    );
    assert_eq!(moves("1.Nf3 Nf6 2.g3 g6 3.Bg2 Bg7 4.0-0 0-0"), "Nf3 Nf6 g3 g6 Bg2 Bg7 O-O O-O");
}

#[test]
fn empty_lines_may_be_anywhere_or_nowhere() {
    let loose = "\n\n[Event \"a\"]\n\n[White \"b\"]\n\n\n1. e4\n\n\ne5\n\n1-0\n\n";
    let tight = "[Event \"a\"][White \"b\"]1. e4 e5 1-0";
    assert_eq!(games(loose), games(tight));
    assert_eq!(games(&format!("{tight}{tight}\n{tight}")).len(), 3);
}

#[test]
fn all_line_ends_are_alike() {
    let unix = "% escaped\n[Event \"a\"]\n\n1. e4 ; comment\ne5\n% escaped\n2. d4 1-0\n";
    for line_end in ["\r\n", "\r"] {
        assert_eq!(games(unix), games(&unix.replace('\n', line_end)));
        assert!(refusal(&"a\n\nb".replace('\n', line_end).replace('a', "1. e4")).starts_with("game 1, line 3:"));
    }
}

#[test]
fn a_game_may_have_no_moves() {
    assert_eq!(games("[Event \"a\"]\n\n1-0").len(), 1);
    assert_eq!(games("[Event \"a\"]\n\n[Event \"b\"]\n").len(), 2);
}

#[test]
fn a_game_may_have_no_tags() {
    let games = games("1. e4 1-0");
    assert_eq!((games[0].white(), games[0].black(), games[0].tag("Event")), ("?", "?", None));
}

#[test]
fn each_result_ends_its_game() {
    let results: Vec<_> = games("e4 1-0 e4 0-1 e4 1/2-1/2 e4*e4").iter().map(|game| game.result).collect();
    assert_eq!(results, ["1-0", "0-1", "1/2-1/2", "*", "*"]);
}

#[test]
fn a_missing_result_is_taken_from_the_tags() {
    let games = games("[Result \"1-0\"]\n1. e4\n[Result \"0-1\"]\n1. d4 d5");
    assert_eq!((games[0].result, games[1].result), ("1-0", "0-1"));
}

#[test]
fn quotes_and_backslashes_in_values_are_escaped() {
    let games = games(r#"[Event "The \"Big\" \\ Open; {1} (a\b)"] e4"#);
    assert_eq!(games[0].tag("EVENT"), Some(r#"The "Big" \ Open; {1} (a\b)"#));
}

#[test]
fn control_characters_in_values_are_blanked() {
    assert_eq!(games("[White \"\u{1b}[31mRed\"] *")[0].white(), " [31mRed");
}

#[test]
fn a_game_may_start_from_a_fen_of_any_spelling() {
    for tags in ["[SetUp \"1\"][FEN ", "[Variant \"From Position\"][Fen "] {
        let games = games(&format!("{tags}\"4k3/P7/8/8/8/8/8/4K3 w - - 0 40\"] 40. a8Q+ Kd7 *"));
        assert_eq!(games[0].moves, ["a8=Q+", "Kd7"]);
        assert_eq!(games[0].start.move_number(), "40.");
    }
}

#[test]
fn another_variant_is_refused_by_name_even_without_moves() {
    assert_eq!(
        refusal("[White \"A\"]\n[Variant \"Atomic\"]\n\n*"),
        "game 1 (A - ?), line 2: variant \"Atomic\" is not played here, only standard chess and Chess960 are"
    );
}

#[test]
fn a_bad_fen_is_refused_even_without_moves() {
    assert_eq!(refusal("[FEN \"x\"] *"), "game 1, line 1: FEN \"x\" is refused: it does not have six fields");
}

#[test]
fn the_second_game_is_the_one_refused() {
    assert_eq!(
        refusal("1. e4 *\n\n[White \"A\"]\n[Black \"B\"]\n1. e4 e5\n2. Ke2 Qxh7!"),
        "game 2 (A - B), line 6: move 2... Qxh7! is not legal in this position"
    );
}

#[test]
fn an_unreadable_move_is_refused() {
    assert_eq!(refusal("1. e4 hello"), "game 1, line 1: move 1... hello is not written as a move");
}

#[test]
fn a_null_move_in_the_main_line_is_refused() {
    assert_eq!(refusal("1. e4 --"), "game 1, line 1: move 1... -- is a null move, which is not legal in a game");
}

#[test]
fn an_unclosed_comment_is_named_where_it_began() {
    assert_eq!(refusal("1. e4\n(1. d4\n{ d5\n\n) *"), "game 1, line 3: the comment that begins here is never closed");
}

#[test]
fn an_unclosed_variation_is_named_where_it_began() {
    let expected = "game 1, line 2: the variation that begins here is never closed";
    assert_eq!(refusal("1. e4\n(1. d4 (1. c4)\n*"), expected);
    assert_eq!(refusal("1. e4\n(1. d4 1-0\n[Event \"next\"]"), expected);
}

#[test]
fn a_variation_that_never_began_is_refused() {
    assert_eq!(refusal("1. e4\n) e5"), "game 1, line 2: a variation is closed here that was never begun");
}

#[test]
fn an_unclosed_tag_is_named_where_it_began() {
    let expected = "game 1, line 2: the tag that begins here is not written as [Name \"value\"]";
    for tag in ["[White \"A", "[White \"A\"", "[White A]", "[\"A\"]", "[White \"A\nB\"]", "[", "[White \"A\\\"]"] {
        assert_eq!(refusal(&format!("\n{tag}")), expected);
    }
}

#[test]
fn a_stray_bracket_or_quote_is_refused() {
    for stray in ['}', ']', '"'] {
        assert_eq!(refusal(&format!("1. e4\n{stray}")), format!("game 1, line 2: {stray:?} has no meaning here"));
    }
}

#[test]
fn a_file_without_a_game_is_refused() {
    for text in ["", "\u{feff}", " \r\n", "; comment", "% escaped", "{ comment }", "*", "1-0 0-1", "1. 2..."] {
        assert_eq!(read(text.as_bytes()), Err(PgnError::NoGame), "{text:?}");
    }
}

#[test]
fn deeply_nested_variations_do_not_exhaust_the_stack() {
    let deep = format!("1. e4 {}{} e5 *", "(".repeat(100_000), ")".repeat(100_000));
    assert_eq!(moves(&deep), "e4 e5");
    assert!(refusal(&"(".repeat(100_000)).contains("variation"));
}

/// Anything slower than in proportion to its length would make this test hang.
#[test]
fn megabytes_of_garbage_are_refused_in_one_short_line() {
    for garbage in
        ["x", "\n", "{", "{}", "[", "[a \"", "$", ";\n", "(", "e4 ", "1.", "\"", "\\", "\u{0}", "1-0 ", "\r%"]
    {
        let text = garbage.repeat(1_000_000 / garbage.len());
        assert!(refusal(&text).chars().count() < 200, "{garbage:?}");
    }
}

proptest! {
    #[test]
    fn no_bytes_make_the_reader_panic(bytes in any::<Vec<u8>>()) {
        let _ = read(&bytes);
    }

    #[test]
    fn no_scramble_of_a_file_makes_the_reader_panic(
        pieces in prop::collection::vec("[{}()\\[\\];$%*\"\\\\ \r\n.]|1-0|[0-9]|e4|e5|Nf3|--|O-O|a \"|FEN|é", 0..60)
    ) {
        let _ = read(pieces.concat().as_bytes());
    }

    #[test]
    fn a_file_with_flipped_bytes_does_not_make_the_reader_panic(at in 0..DEEP_BLUE.len(), byte in any::<u8>()) {
        let mut bytes = DEEP_BLUE.to_vec();
        bytes[at] = byte;
        let _ = read(&bytes);
    }
}
