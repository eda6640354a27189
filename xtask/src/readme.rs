//! Runs the commands of the README as written.

use std::{fs, path::Path, process::Command};

use crate::{Error, check};

/// Runs every line `$ command` of the README's console blocks, but for the one that runs this.
pub(crate) fn run(root: &Path) -> Result<(), Error> {
    for command in commands(&fs::read_to_string(root.join("README.md"))?) {
        if command.starts_with("cargo xtask ci") {
            continue;
        }
        println!("$ {command}");
        check(Command::new("sh").args(["-c", &command]).current_dir(root))?;
    }
    Ok(())
}

fn commands(text: &str) -> Vec<String> {
    let mut is_console = false;
    let mut commands = Vec::new();
    for line in text.lines() {
        if let Some(language) = line.strip_prefix("```") {
            is_console = language == "console";
        } else if let Some(command) = line.strip_prefix("$ ").filter(|_| is_console) {
            commands.push(command.split("  #").next().unwrap_or(command).trim().to_owned());
        }
    }
    commands
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_found_in_console_blocks_only() {
        let text = "```console\n$ a b  # why\nout\n```\n```text\n$ c\n```\n$ d\n";
        assert_eq!(commands(text), ["a b"]);
    }
}
