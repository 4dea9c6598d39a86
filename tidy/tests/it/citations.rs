//! Every rule that the code cites is written down, and every test that the rules name exists.

use std::collections::BTreeSet;

use holdfast_tidy::files::{ending, read};

/// The rules cited in `text`, such as `E7`, `M26`, `S9` and `Pitfall 12`.
fn cited(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (at, letter) in text.char_indices().filter(|(_, c)| matches!(c, 'E' | 'M' | 'N' | 'O' | 'S')) {
        let before = text[..at].chars().next_back();
        let digits: String = text[at + 1..].chars().take_while(char::is_ascii_digit).collect();
        let after = text[at + 1 + digits.len()..].chars().next();
        let alone = |c: Option<char>| c.is_none_or(|c| !c.is_alphanumeric() && c != '_' && c != '-');
        // A rule is named by one or two digits, alone.
        if (1..=2).contains(&digits.len()) && alone(before) && alone(after) {
            found.insert(format!("{letter}{digits}"));
        }
    }
    for (at, _) in text.match_indices("Pitfall ") {
        let digits: String = text[at + 8..].chars().take_while(char::is_ascii_digit).collect();
        if !digits.is_empty() {
            found.insert(format!("Pitfall {digits}"));
        }
    }
    found
}

#[test]
fn a_citation_differs_from_other_letters_and_digits() {
    let text = "(E7) and E12, not 0xE7, SHA-E1x, E100, HE4; Pitfall 12: M26's";
    let expected = ["E12", "E7", "M26", "Pitfall 12"].map(str::to_owned);
    assert_eq!(cited(text), expected.into());
}

#[test]
fn every_cited_rule_is_written_down() {
    let rules = read("docs/rules.md");
    let known: BTreeSet<String> = rules
        .lines()
        .filter_map(|line| line.strip_prefix("### "))
        .flat_map(|heading| cited(heading.split(':').next().unwrap_or(heading)))
        .collect();
    let comments = |source: &str| -> String {
        source.lines().filter_map(|line| line.find("//").map(|at| &line[at..])).collect::<Vec<_>>().join("\n")
    };
    let mut missing = Vec::new();
    for file in ending(".rs").into_iter().filter(|file| !file.starts_with("tidy/")) {
        let cited = cited(&comments(&read(&file)));
        missing.extend(cited.difference(&known).map(|rule| format!("{file} cites {rule}")));
    }
    assert!(missing.is_empty(), "not in docs/rules.md: {missing:#?}");
}

#[test]
fn every_test_that_a_rule_names_exists() {
    let sources: String = ending(".rs").iter().map(|file| read(file)).collect();
    let rules = read("docs/rules.md");
    let named = rules.split('`').skip(1).step_by(2).filter(|name| {
        name.len() > 12
            && name.contains('_')
            && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | ':'))
    });
    let missing: Vec<&str> = named
        .filter(|name| {
            let name = name.rsplit("::").next().unwrap_or(name);
            !sources.contains(&format!("fn {name}(")) && !sources.contains(&format!(" {name}"))
        })
        .collect();
    assert!(missing.is_empty(), "{missing:#?}");
}
