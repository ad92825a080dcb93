use std::sync::Arc;

use crate::config::Config;
use crate::lifecycle::Tasks;
use crate::socket::{Services, report_refusals};
use crate::transport::{Admission, Front, Tls, TrustedProxies};

/// What stands before the public listener's requests, with the tasks that look after it.
pub(super) fn front(config: &Config, services: &Services, tls: Option<Arc<Tls>>, tasks: &Tasks) -> Front {
    let admission = Admission::new(&config.limits, services.clock);
    tasks.spawn_until_stop(Arc::clone(&admission).forget());
    if let Some(tls) = &tls {
        tasks.spawn_until_stop(Arc::clone(tls).reload());
    }
    let (sockets, channels) = (Arc::clone(&services.socket_metrics), Arc::clone(services.endpoint.metrics()));
    tasks.spawn_until_stop(report_refusals(Arc::clone(&sockets), channels));
    let proxies = TrustedProxies::new(&config.socket.trusted_proxies);
    Front::new(admission, proxies, config.listen.proxy_protocol, tls, sockets)
}
