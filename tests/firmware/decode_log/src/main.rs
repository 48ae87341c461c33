//! `decode_log ELF` reads frames of defmt in hexadecimal from standard input, one a line, and
//! prints their texts.

use std::io::{self, BufRead as _};

use defmt_decoder::Table;

fn main() {
    let elf = std::env::args().nth(1).expect("usage: decode_log ELF");
    let elf = std::fs::read(elf).unwrap();
    let table = Table::parse(&elf)
        .unwrap()
        .expect("the program has no defmt section");
    for line in io::stdin().lock().lines() {
        let line = line.unwrap();
        let digits = line.as_bytes().chunks(2);
        let frame: Vec<_> = digits
            .map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap())
            .collect();
        let (decoded, len) = table.decode(&frame).unwrap();
        assert_eq!(len, frame.len(), "{line}");
        println!("{}", decoded.display_message());
    }
}
