mod client;
mod cluster;
mod embedded;
mod grace;
mod interleavings;
mod pod;
mod pods;
