//! What the log says happened: chats and what became of their messages, lanes, the lives of gateways, the release that
//! wrote it. Pure; `diagnosis` draws its conclusions from it.

pub(crate) mod chat;
pub(crate) mod chats;
pub(crate) mod evidence;
pub(crate) mod lanes;
pub(crate) mod lives;
pub(crate) mod names;
pub(crate) mod release;
pub(crate) mod story;
pub(crate) mod timeline;
pub(crate) mod trouble;
