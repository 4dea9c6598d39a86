//! A history with its repetitions folded, for people: eight failures for the same reason are one line and how often.

use super::phrases::moment;
use super::story::Line;

/// A repetition is at most this long: the try, its failure, and what came between.
const PERIOD_MAX: usize = 3;

/// The same history; lines that repeat are shown once, followed by how often they came again and when last.
pub fn folded(lines: &[Line]) -> Vec<Line> {
    let shapes: Vec<_> = lines.iter().map(|line| (line.saga, shape(&line.text))).collect();
    let mut shown = Vec::with_capacity(lines.len());
    let mut at = 0;
    while at < lines.len() {
        let (period, times) = (1..=PERIOD_MAX)
            .map(|period| (period, repetitions(&shapes[at..], period)))
            .max_by_key(|(period, times)| (period * (times - 1), std::cmp::Reverse(*period)))
            .unwrap_or((1, 1));
        // Two in a row are read faster than a sentence about them.
        if times < 3 {
            shown.push(lines[at].clone());
            at += 1;
            continue;
        }
        shown.extend_from_slice(&lines[at..at + period]);
        at += period * times;
        let last = &lines[at - 1];
        let text = format!("the same {} more times, the last at {}", times - 1, moment(last.at));
        shown.push(Line { text, ..last.clone() });
    }
    shown
}

/// How often the first `period` shapes follow each other, from 1 on.
fn repetitions<T: PartialEq>(shapes: &[T], period: usize) -> usize {
    let Some(first) = shapes.get(..period) else { return 1 };
    shapes.chunks_exact(period).take_while(|chunk| *chunk == first).count().max(1)
}

/// The text without what differs from one try to the next: numbers and times.
fn shape(text: &str) -> String {
    let text = text.split(" (attempt ").next().unwrap_or(text);
    text.split("; next try at ").next().unwrap_or(text).replace(|c: char| c.is_ascii_digit(), "#")
}

#[cfg(test)]
mod tests {
    use holdfast_shared::{OrderId, Time};

    use super::*;

    fn lines(texts: &[&str]) -> Vec<Line> {
        let line = |(at, text): (i64, &&str)| Line {
            at: Time::from_micros(at * 1_000_000),
            saga: OrderId::new(7).saga(3),
            text: (*text).to_owned(),
        };
        (0..).zip(texts).map(line).collect()
    }

    #[test]
    fn f11_what_repeats_is_shown_once() {
        let again = |times: u32, second: u32| {
            format!("the same {times} more times, the last at 1970-01-01 00:00:{second:02} UTC")
        };
        let attempts = ["ask", "failed: no; next try at 1", "ask (attempt 2)", "failed: no; next try at 20"];
        for (shown, expected) in [
            (vec![], vec![]),
            (vec!["a", "b", "c"], vec!["a".to_owned(), "b".to_owned(), "c".to_owned()]),
            (vec!["a", "a"], vec!["a".to_owned(), "a".to_owned()]),
            (vec!["a", "a", "a", "b"], vec!["a".to_owned(), again(2, 2), "b".to_owned()]),
            (
                [&["x"], &attempts[..], &["ask (attempt 3)", "failed: no; next try at 4", "done"]].concat(),
                vec![
                    "x".to_owned(),
                    "ask".to_owned(),
                    attempts[1].to_owned(),
                    again(2, 6),
                    "done".to_owned(),
                ],
            ),
            // Another reason is another story.
            (
                vec!["ask", "failed: no", "ask (attempt 2)", "failed: yes", "ask (attempt 3)", "failed: no"],
                ["ask", "failed: no", "ask (attempt 2)", "failed: yes", "ask (attempt 3)", "failed: no"]
                    .map(str::to_owned)
                    .to_vec(),
            ),
        ] {
            let folded: Vec<_> = folded(&lines(&shown)).into_iter().map(|line| line.text).collect();
            assert_eq!(folded, expected, "{shown:?}");
        }
    }

    #[test]
    fn f11_two_sagas_do_not_tell_one_story() {
        let mut lines = lines(&["a", "a", "a"]);
        lines[1].saga = OrderId::new(7).saga(4);
        assert_eq!(folded(&lines), lines);
    }
}
