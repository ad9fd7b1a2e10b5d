//! [`CallbackState`]: the settings and values of a callback, in a form that can be saved.

use serde::Serialize;
use serde::de::DeserializeOwned;
use tch::Tensor;

use crate::common::{Error, Result};

/// Named values and tensors of a callback, for the checkpoint. A value is anything that TOML can hold;
/// floating-point numbers keep every bit.
#[derive(Debug, Default)]
pub struct CallbackState {
    /// The callback's settings, by name. A run can be resumed only with equal settings.
    pub settings: toml::Table,
    /// Values by name.
    pub values: toml::Table,
    /// Tensors by name, on any device.
    pub tensors: Vec<(String, Tensor)>,
}

impl CallbackState {
    /// A state with the settings that a callback serializes to.
    pub fn of(callback: &impl Serialize) -> Result<Self> {
        let settings = toml::Table::try_from(callback)
            .map_err(|error| Error::setting("callback", error, "settings that TOML can hold"))?;
        Ok(Self { settings, ..Self::default() })
    }

    /// Adds a setting of the callback.
    pub fn setting(mut self, name: &str, value: impl Serialize) -> Result<Self> {
        self.settings.insert(name.to_string(), to_toml(name, value)?);
        Ok(self)
    }

    /// Adds a value; `None` adds nothing.
    pub fn value(mut self, name: &str, value: Option<impl Serialize>) -> Result<Self> {
        if let Some(value) = value {
            self.values.insert(name.to_string(), to_toml(name, value)?);
        }
        Ok(self)
    }

    /// Adds a tensor; `None` adds nothing.
    pub fn tensor(mut self, name: &str, tensor: Option<&Tensor>) -> Self {
        self.tensors.extend(tensor.map(|tensor| (name.to_string(), tensor.shallow_clone())));
        self
    }

    /// A value by name; `None` if it was not saved.
    pub fn get<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>> {
        let Some(value) = self.values.get(name) else { return Ok(None) };
        let read = value.clone().try_into::<T>();
        read.map(Some).map_err(|error| Error::setting(name, value, error.message()))
    }

    /// A tensor by name; `None` if it was not saved.
    pub fn get_tensor(&self, name: &str) -> Option<Tensor> {
        let found = self.tensors.iter().find(|(other, _)| other == name);
        found.map(|(_, tensor)| tensor.shallow_clone())
    }
}

fn to_toml(name: &str, value: impl Serialize) -> Result<toml::Value> {
    toml::Value::try_from(value)
        .map_err(|error| Error::setting(name, error, "a value that TOML can hold"))
}
