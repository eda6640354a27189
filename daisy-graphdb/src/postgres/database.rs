//! Databases on the server: reached, and made where there is none.

use std::collections::BTreeMap;

use postgres::error::SqlState;
use postgres::{Client, Config, NoTls};

use super::{Connection, failed};
use crate::GraphError;
use crate::sql::quoted;

/// The database that every server has, from which others are made.
const FIRST: &str = "postgres";

pub(super) fn connect(config: &Config) -> Result<Connection, GraphError> {
    config.connect(NoTls).map(connection).map_err(failed("connect to the server"))
}

/// Connects; none if there is no such database.
pub(super) fn connect_if_there(config: &Config) -> Result<Option<Connection>, GraphError> {
    match config.connect(NoTls) {
        Err(error) if error.code() == Some(&SqlState::INVALID_CATALOG_NAME) => Ok(None),
        outcome => outcome.map(connection).map(Some).map_err(failed("connect to the server")),
    }
}

/// Connects, and makes the database before if there is none.
pub(super) fn connect_or_create(config: &Config) -> Result<Connection, GraphError> {
    if let Some(connection) = connect_if_there(config)? {
        return Ok(connection);
    }
    let mut client = connect(config.clone().dbname(FIRST))?.client;
    let create = format!("CREATE DATABASE {}", quoted(&name(config)));
    if let Err(error) = client.batch_execute(&create) {
        // Others may do the same at once; one of them is told so by the index of names.
        let is_there = [SqlState::DUPLICATE_DATABASE, SqlState::UNIQUE_VIOLATION];
        if !error.code().is_some_and(|code| is_there.contains(code)) {
            return Err(failed("create the database")(error));
        }
    }
    connect(config)
}

/// The name of the database: by default, that of the user.
pub(super) fn name(config: &Config) -> String {
    config.get_dbname().or_else(|| config.get_user()).unwrap_or(FIRST).to_owned()
}

fn connection(client: Client) -> Connection {
    Connection { client, prepared: BTreeMap::new() }
}
