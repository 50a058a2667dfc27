//! A client's connection with bounds that the HTTP library does not have: on idling, on the time and the bytes of one request.

#![allow(clippy::disallowed_methods, reason = "the API is shell: it reads the clock")]

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, Sleep};

use super::stream::Stream;

/// How long a connection may wait for its next request, or for the client to read an answer.
const IDLE: Duration = Duration::from_secs(30);

/// How long a request may take from its first byte to the first byte of its answer. Sending it slowly buys no more.
const REQUEST: Duration = Duration::from_secs(30);

/// Bytes of one request with its head.
const MAX_REQUEST: usize = 256 * 1024;

#[derive(Debug)]
pub(super) struct Connection {
    stream: Stream,
    deadline: Pin<Box<Sleep>>,
    /// Bytes since the last answer; none while idle.
    received: usize,
    /// Given back when the connection ends.
    _place: Option<OwnedSemaphorePermit>,
}

impl Connection {
    pub(super) fn new(stream: Stream, place: Option<OwnedSemaphorePermit>) -> Self {
        Self { stream, deadline: Box::pin(tokio::time::sleep(IDLE)), received: 0, _place: place }
    }

    fn has_received(&mut self, bytes: usize) -> io::Result<()> {
        if self.received == 0 && bytes > 0 {
            self.deadline.as_mut().reset(Instant::now() + REQUEST);
        }
        self.received = self.received.saturating_add(bytes);
        if self.received > MAX_REQUEST {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the request is too large"));
        }
        Ok(())
    }

    fn has_sent(&mut self) {
        self.received = 0;
        self.deadline.as_mut().reset(Instant::now() + IDLE);
    }

    /// For what cannot go on at the moment: an error once the time is up.
    fn wait<T>(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        ready!(self.deadline.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }

    fn sent(&mut self, cx: &mut Context<'_>, sent: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match sent {
            Poll::Ready(result) => {
                self.has_sent();
                Poll::Ready(result)
            }
            Poll::Pending => self.wait(cx),
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        match Pin::new(&mut self.stream).poll_read(cx, buffer) {
            Poll::Ready(Ok(())) => Poll::Ready(self.has_received(buffer.filled().len() - before)),
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => self.wait(cx),
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let sent = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.sent(cx, sent)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let sent = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.sent(cx, sent)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    /// The server's end and the client's.
    async fn pair() -> (Connection, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let accepted = Stream::new(listener.accept().await.unwrap().0, None);
        (Connection::new(accepted, None), client)
    }

    #[tokio::test]
    async fn a_request_without_end_is_cut_off() {
        let (mut connection, mut client) = pair().await;
        let writer = async move { while client.write_all(&[b'x'; 8192]).await.is_ok() {} };
        let reader = async move {
            let mut read = 0;
            let mut buffer = vec![0; 8192];
            loop {
                match connection.read(&mut buffer).await {
                    Ok(bytes) => read += bytes,
                    Err(error) => return (read, error.kind()),
                }
            }
        };
        let ((), (read, kind)) = tokio::join!(writer, reader);
        assert_eq!(kind, io::ErrorKind::InvalidData);
        assert!(read <= MAX_REQUEST, "{read}");
    }

    #[tokio::test]
    async fn an_answer_makes_room_for_the_next_request() {
        let (mut connection, mut client) = pair().await;
        for _ in 0..3 {
            client.write_all(&vec![b'x'; MAX_REQUEST / 2 + 1]).await.unwrap();
            let mut request = vec![0; MAX_REQUEST / 2 + 1];
            connection.read_exact(&mut request).await.unwrap();
            connection.write_all(b"answer").await.unwrap();
        }
    }

    #[tokio::test]
    async fn what_comes_in_drops_does_not_move_the_deadline_of_the_request() {
        let (mut connection, mut client) = pair().await;
        client.write_all(b"G").await.unwrap();
        connection.read_u8().await.unwrap();
        let deadline = connection.deadline.deadline();
        client.write_all(b"E").await.unwrap();
        connection.read_u8().await.unwrap();
        assert_eq!(connection.deadline.deadline(), deadline);
        connection.write_all(b"answer").await.unwrap();
        assert!(connection.deadline.deadline() > deadline);
    }

    #[tokio::test]
    async fn whoever_is_past_the_deadline_is_cut_off() {
        let (mut connection, _client) = pair().await;
        connection.deadline.as_mut().reset(Instant::now() + Duration::from_millis(20));
        assert_eq!(connection.read_u8().await.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }
}
