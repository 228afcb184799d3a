//! The kits check themselves: what is right passes every case, and for each case there is a fault that it finds.

mod registry;
mod shelf;
mod storage;
