//! Every configuration file that is shipped loads, and the one with all keys says exactly what holds without a file.

use std::fs;
use std::path::{Path, PathBuf};

use sipward::config::{Config, ConfigErrors, Entry};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("config")
}

fn load(file: &Path) -> Result<Config, ConfigErrors> {
    Config::load(Some(file), [])
}

fn without_origin(config: &Config) -> Vec<Entry> {
    config.entries().map(|entry| Entry { origin: None, ..entry }).collect()
}

#[test]
fn the_shipped_file_says_what_holds_without_a_file() {
    assert_eq!(without_origin(&load(&folder().join("sipward.toml")).unwrap()), without_origin(&Config::default()));
}

#[test]
fn the_shipped_file_sets_every_key_that_a_file_may_set_and_names_the_others() {
    let file = folder().join("sipward.toml");
    let text = fs::read_to_string(&file).unwrap();
    for entry in load(&file).unwrap().entries() {
        let Entry { section, name, variable, in_file, origin, .. } = entry;
        assert_eq!(origin.is_some(), in_file, "[{section}] {name}");
        assert!(in_file || text.contains(&variable), "{variable}");
    }
}

#[test]
fn no_key_of_the_shipped_file_stands_without_an_explanation() {
    let text = fs::read_to_string(folder().join("sipward.toml")).unwrap();
    for paragraph in text.split("\n\n").filter(|paragraph| paragraph.contains(" = ")) {
        assert!(paragraph.trim_start().starts_with('#'), "{paragraph}");
    }
}

#[test]
fn every_example_loads() {
    let examples: Vec<PathBuf> =
        fs::read_dir(folder().join("examples")).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(examples.iter().filter(|file| file.extension().is_some_and(|end| end == "toml")).count() >= 2);
    for file in examples {
        load(&file).unwrap();
    }
}
