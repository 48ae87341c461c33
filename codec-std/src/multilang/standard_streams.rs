//! Reserves standard input and output for the protocol.

#[cfg(unix)]
mod taken {
    use std::fs::File;
    use std::io::{self, BufReader, Write as _};
    use std::os::fd::AsFd as _;

    use rustix::stdio::{dup2_stdin, dup2_stdout};

    /// Moves both streams to file descriptors that no child process inherits.
    pub(in super::super) fn take() -> io::Result<(BufReader<File>, File)> {
        let input = File::from(io::stdin().as_fd().try_clone_to_owned()?);
        let output = File::from(io::stdout().as_fd().try_clone_to_owned()?);
        dup2_stdin(File::open("/dev/null")?)?;
        dup2_stdout(io::stderr())?;
        // Writes what was printed before and is still buffered.
        io::stdout().flush()?;
        Ok((BufReader::new(input), output))
    }
}

#[cfg(not(unix))]
mod taken {
    use std::io::{self, StdinLock, Stdout};

    pub(in super::super) fn take() -> io::Result<(StdinLock<'static>, Stdout)> {
        Ok((io::stdin().lock(), io::stdout()))
    }
}

pub(super) use taken::take;
