//! Lines of what comes character by character.

use super::ERASE;

/// Characters of a line; a longer one is cut into several.
const MAX_LINE: usize = 1_024;

/// Makes lines of the text of one side, as it comes: the one that is being typed, and those that are complete.
///
/// ```
/// use ringback_rtp::text::Transcript;
/// let mut transcript = Transcript::default();
/// assert_eq!(transcript.push("helo\u{8}lo\nho"), ["hello"]);
/// assert_eq!(transcript.line(), "ho");
/// ```
#[derive(Clone, Debug, Default)]
pub struct Transcript {
    line: String,
    length: usize,
}

impl Transcript {
    /// Takes what has come, and gives the lines that it completes. What is complete cannot be erased any more.
    pub fn push(&mut self, text: &str) -> Vec<String> {
        let mut complete = Vec::new();
        for character in text.chars() {
            match character {
                ERASE => self.length -= usize::from(self.line.pop().is_some()),
                '\n' => complete.push(self.end()),
                it => {
                    self.line.push(it);
                    self.length += 1;
                }
            }
            if self.length >= MAX_LINE {
                complete.push(self.end());
            }
        }
        complete
    }

    /// The line that is being typed.
    pub fn line(&self) -> &str {
        &self.line
    }

    /// Ends the line that is being typed, and gives it.
    pub fn end(&mut self) -> String {
        self.length = 0;
        std::mem::take(&mut self.line)
    }
}
