//! The buffers of a connection for HTTP. Most answers are short, and ureq's own buffers take all that the longest may
//! need at once, for each of a farm's connections.

use ureq::unversioned::transport::Buffers;

/// What is read at once, in bytes, and how much the buffer has first.
const FIRST: usize = 8 << 10;

/// What ureq wants to read a request's body into, in bytes.
const BODY: usize = 10 << 10;

/// Grows with what comes, up to a limit.
#[derive(Debug)]
pub(super) struct GrowingBuffers {
    input: Vec<u8>,
    /// What has come and is not used yet lies between these.
    used: usize,
    filled: usize,
    most: usize,
    output: Vec<u8>,
    output_bytes: usize,
    /// Whether something was used since more had been asked for.
    progress: bool,
}

impl GrowingBuffers {
    /// For answers whose head has at most so many bytes, and requests whose head has.
    pub(super) fn new(most: usize, output_bytes: usize) -> Self {
        Self { input: Vec::new(), used: 0, filled: 0, most, output: Vec::new(), output_bytes, progress: false }
    }

    /// Make room for so many bytes, and forget what was used.
    fn make_room(&mut self, bytes: usize) {
        self.input.copy_within(self.used..self.filled, 0);
        (self.used, self.filled) = (0, self.filled - self.used);
        if self.input.len() < self.filled + bytes {
            self.input.resize(self.filled + bytes, 0);
        }
    }
}

impl Buffers for GrowingBuffers {
    fn output(&mut self) -> &mut [u8] {
        self.output.resize(self.output_bytes, 0);
        &mut self.output
    }

    fn input(&self) -> &[u8] {
        &self.input[self.used..self.filled]
    }

    fn input_append_buf(&mut self) -> &mut [u8] {
        let waiting = self.filled - self.used;
        // Twice as much each time, so that a long answer is not copied over and over.
        self.make_room(FIRST.max(waiting).min(self.most.saturating_sub(waiting)));
        &mut self.input[self.filled..]
    }

    fn input_appended(&mut self, amount: usize) {
        self.filled = (self.filled + amount).min(self.input.len());
    }

    fn input_consume(&mut self, amount: usize) {
        self.progress = amount > 0;
        self.used = (self.used + amount).min(self.filled);
    }

    fn tmp_and_output(&mut self) -> (&mut [u8], &mut [u8]) {
        self.make_room(BODY);
        self.output.resize(self.output_bytes, 0);
        (&mut self.input[self.filled..], &mut self.output)
    }

    fn can_use_input(&self) -> bool {
        self.progress && self.used < self.filled
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn comes(buffers: &mut GrowingBuffers, bytes: &[u8]) {
        buffers.input_append_buf()[..bytes.len()].copy_from_slice(bytes);
        buffers.input_appended(bytes.len());
    }

    #[test]
    fn they_grow_with_what_comes_up_to_the_limit() {
        let mut buffers = GrowingBuffers::new(100_000, 16);
        assert_eq!(buffers.output().len(), 16);
        comes(&mut buffers, b"HTTP/1.1 204");
        assert_eq!((buffers.input(), buffers.input.len()), (&b"HTTP/1.1 204"[..], FIRST));
        let mut all = b"HTTP/1.1 204".to_vec();
        loop {
            let room = buffers.input_append_buf().len();
            if room == 0 {
                break;
            }
            let more = vec![u8::try_from(all.len() % 251).unwrap(); room];
            comes(&mut buffers, &more);
            all.extend(more);
        }
        assert_eq!((buffers.input().len(), buffers.input.len()), (100_000, 100_000));
        assert_eq!(buffers.input(), all, "nothing is lost when it grows");
    }

    #[test]
    fn what_was_used_makes_room() {
        let mut buffers = GrowingBuffers::new(FIRST, 16);
        for round in 0..100_u8 {
            assert!(!buffers.can_use_input(), "nothing has come");
            comes(&mut buffers, &[round; 5000]);
            assert!(!buffers.can_use_input() || round > 0, "more was asked for, as this was not enough");
            buffers.input_consume(1000);
            assert!(buffers.can_use_input());
            assert_eq!(buffers.input(), [round; 4000]);
            let (body, output) = buffers.tmp_and_output();
            assert!(body.len() >= BODY && output.len() == 16);
            assert_eq!(buffers.input(), [round; 4000], "a body goes elsewhere");
            buffers.input_consume(4000);
        }
        assert!(buffers.input.len() < 2 * BODY);
    }
}
