use gateway::lifecycle::Tasks;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// A way to a port of this machine that can be cut, and mended again.
pub(crate) struct Cable {
    port: u16,
    cut: watch::Sender<bool>,
    tasks: Tasks,
}

impl Cable {
    /// To a port.
    pub(crate) async fn to(target: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (port, cut, tasks) = (listener.local_addr().unwrap().port(), watch::Sender::new(false), Tasks::new());
        let (state, within) = (cut.clone(), tasks.clone());
        tasks.spawn_until_stop(async move {
            loop {
                let (mut near, _) = listener.accept().await.unwrap();
                let mut state = state.subscribe();
                within.spawn_until_stop(async move {
                    if *state.borrow() {
                        return;
                    }
                    let Ok(mut far) = TcpStream::connect(("127.0.0.1", target)).await else { return };
                    tokio::select! {
                        _ = copy_bidirectional(&mut near, &mut far) => {}
                        _ = state.wait_for(|cut| *cut) => {}
                    }
                });
            }
        });
        Self { port, cut, tasks }
    }

    /// Its near end.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Ends all connections, and each new one at once.
    pub(crate) fn cut(&self) {
        self.cut.send_replace(true);
    }

    /// Lets new connections through again.
    pub(crate) fn mend(&self) {
        self.cut.send_replace(false);
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        self.tasks.stop();
    }
}
