//! Messages back to bytes.

use crate::message::{Message, Source, Span, StartLine};
use bytes::{BufMut, Bytes, BytesMut};

impl Message {
    /// The message as it goes on the wire. A message that was not changed is the bytes that were read, up to
    /// the end of its body, without a copy.
    pub fn render(&self) -> Bytes {
        if self.overlay.is_empty()
            && let Some(whole) = self.untouched()
        {
            return whole;
        }
        let mut out = BytesMut::with_capacity(self.runs().map(<[u8]>::len).sum());
        for run in self.runs() {
            out.put_slice(run);
        }
        out.freeze()
    }

    /// The length of [`render`](Self::render), in bytes, without rendering.
    pub fn rendered_len(&self) -> usize {
        match self.untouched() {
            // A peer may have ended its header with LF alone, and then it stays so.
            Some(whole) if self.overlay.is_empty() => whole.len(),
            _ => self.runs().map(<[u8]>::len).sum(),
        }
    }

    /// The received bytes when nothing was removed either: start line, all fields, empty line and body in one run.
    fn untouched(&self) -> Option<Bytes> {
        let (StartLine::Request { line, .. } | StartLine::Response { line, .. }) = &self.start;
        let mut end = line.end;
        for field in &self.fields {
            if field.line != end {
                return None;
            }
            end = field.end;
        }
        let end = usize::from(end);
        let gap = match self.received.get(end..)? {
            [b'\r', b'\n', ..] => 2,
            [b'\n', ..] => 1,
            _ => return None,
        };
        let body = self.received.get(end + gap..end + gap + self.body.len())?;
        (body.as_ptr() == self.body.as_ptr() || body == self.body)
            .then(|| self.received.slice(..end + gap + self.body.len()))
    }

    /// The runs of bytes that make up the message in order, unbroken where nothing was changed: for a vectored
    /// write.
    pub fn runs(&self) -> impl Iterator<Item = &[u8]> {
        let (StartLine::Request { line, .. } | StartLine::Response { line, .. }) = &self.start;
        let mut pending = Some(*line);
        let mut fields = self.fields.iter();
        let head = std::iter::from_fn(move || {
            let mut run = pending.take()?;
            for field in fields.by_ref() {
                if field.source != run.source || field.line != run.end {
                    pending = Some(Span { source: field.source, start: field.line, end: field.end });
                    break;
                }
                run.end = field.end;
            }
            Some(run)
        });
        // A received line ends in LF alone, or in nothing at the end of its buffer, only when the peer wrote it so.
        head.map(|run| self.span(run)).chain([&b"\r\n"[..], &self.body[..]])
    }

    /// Whether nothing was changed.
    pub fn is_pristine(&self) -> bool {
        let (StartLine::Request { line, .. } | StartLine::Response { line, .. }) = &self.start;
        self.overlay.is_empty() && line.source == Source::Received && self.untouched().is_some()
    }
}
