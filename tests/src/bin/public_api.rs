//! Prints the public API that a rustdoc JSON file describes, an item a line, for
//! `tests/public-api.sh`.

use std::env;
use std::process::ExitCode;

use public_api::Builder;

fn main() -> ExitCode {
    let Some(file) = env::args().nth(1) else {
        return ExitCode::from(2);
    };
    // Which of its types are Send says the compiler, and what `dyn Any` is for all says core.
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
