//! Prints the public API in a rustdoc JSON file, one item per line, for
//! `tests/public-api.sh`.

use std::env;
use std::process::ExitCode;

use public_api::Builder;

fn main() -> ExitCode {
    let Some(file) = env::args().nth(1) else {
        return ExitCode::from(2);
    };
    // Auto traits and blanket implementations are omitted, because they would add many lines to
    // each type.
    let api = Builder::from_rustdoc_json(file)
        .omit_blanket_impls(true)
        .omit_auto_trait_impls(true)
        .build();
    match api {
        Ok(api) => {
            for item in api.items() {
                println!("{item}");
            }
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
