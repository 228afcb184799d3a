//! Bots that are scripts: each actor has a Lua of its own, which can leave neither its thread nor the process.
//!
//! Run it: `cargo run --example lua`, twice: the bots know what they were told in the run before. The store is `lua-data`.
//!
//! To look for: the script and what it remembers are the state, and plain data. The engine is made of them, in `init` and in
//! `revived`, and never stored. A script that fails, or goes on for too long, leaves nothing: `rollback` takes back what it
//! remembers, and `revived` makes a fresh engine, as the old one may have been left in the middle of something.

use std::collections::BTreeMap;

use gargoyle::{Actor, BoxError, Context, Handler, System};
use gargoyle_registry_std::StdRegistry;
use gargoyle_storage_fs::FsStorage;
use mlua::{Function, HookTriggers, Lua, LuaOptions, StdLib, VmState};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Bot {
    script: String,
    /// The table `memory` of the script, as it was after the last message.
    memory: BTreeMap<String, Fact>,
    /// Not `Send`, and full of pointers: made anew in every life.
    #[serde(skip)]
    lua: Option<Lua>,
}

/// What a script can remember. Functions and tables it cannot.
#[derive(Clone, Serialize, Deserialize)]
enum Fact {
    Truth(bool),
    Whole(i64),
    Number(f64),
    Text(String),
}

/// How much memory a script may take, and how many instructions for one message.
const BYTES_MAX: usize = 16 << 20;
const INSTRUCTIONS_MAX: u32 = 1_000_000;

impl Actor for Bot {
    const KIND: &'static str = "bot";
    type Args = String;

    fn init(script: &String, _: &mut Context<Self>) -> Result<Self, BoxError> {
        let mut bot = Bot { script: script.clone(), memory: BTreeMap::new(), lua: None };
        bot.start_engine()?;
        Ok(bot)
    }

    fn revived(&mut self, _: &mut Context<Self>) -> Result<(), BoxError> {
        self.start_engine()
    }
}

impl Bot {
    fn start_engine(&mut self) -> Result<(), BoxError> {
        // Without this feature of mlua its errors cannot leave their thread either: their text can.
        self.lua = Some(engine(&self.script, &self.memory).map_err(|error| error.to_string())?);
        Ok(())
    }

    /// Has the script answer, and takes over what it remembers.
    fn answer(&mut self, text: &str) -> mlua::Result<String> {
        let Some(lua) = &self.lua else { return Err(mlua::Error::runtime("there is no engine")) };
        limit_instructions(lua)?;
        let reply = lua.globals().get::<Function>("answer")?.call(text)?;
        let memory = lua.globals().get::<mlua::Table>("memory")?;
        self.memory = memory.pairs::<String, mlua::Value>().map(|pair| fact(pair?)).collect::<mlua::Result<_>>()?;
        Ok(reply)
    }
}

/// An engine that has run `script`, with what was remembered.
fn engine(script: &str, memory: &BTreeMap<String, Fact>) -> mlua::Result<Lua> {
    // No files, no processes: a script is a guest.
    let lua = Lua::new_with(StdLib::STRING | StdLib::TABLE | StdLib::MATH, LuaOptions::default())?;
    lua.set_memory_limit(BYTES_MAX)?;
    // The last two could catch what stops a script that goes on for too long.
    for name in ["dofile", "loadfile", "pcall", "xpcall"] {
        lua.globals().set(name, mlua::Nil)?;
    }
    let table = lua.create_table()?;
    for (name, fact) in memory {
        match fact.clone() {
            Fact::Truth(truth) => table.set(name.as_str(), truth)?,
            Fact::Whole(number) => table.set(name.as_str(), number)?,
            Fact::Number(number) => table.set(name.as_str(), number)?,
            Fact::Text(text) => table.set(name.as_str(), text)?,
        }
    }
    lua.globals().set("memory", table)?;
    limit_instructions(&lua)?;
    lua.load(script).set_name("script").exec()?;
    Ok(lua)
}

/// Stops what comes next after so many instructions: a handler is not interrupted by anybody else.
fn limit_instructions(lua: &Lua) -> mlua::Result<()> {
    let too_long = |_: &Lua, _: &mlua::debug::Debug<'_>| -> mlua::Result<VmState> {
        Err(mlua::Error::runtime("it takes too long"))
    };
    lua.set_hook(HookTriggers::new().every_nth_instruction(INSTRUCTIONS_MAX), too_long)
}

fn fact((name, value): (String, mlua::Value)) -> mlua::Result<(String, Fact)> {
    let fact = match value {
        mlua::Value::Boolean(truth) => Fact::Truth(truth),
        mlua::Value::Integer(number) => Fact::Whole(number),
        mlua::Value::Number(number) => Fact::Number(number),
        mlua::Value::String(text) => Fact::Text(text.to_str()?.to_owned()),
        other => return Err(mlua::Error::runtime(format!("a {} cannot be remembered: {name}", other.type_name()))),
    };
    Ok((name, fact))
}

/// Says something to a bot.
struct Say(String);

impl Handler<Say> for Bot {
    type Reply = Result<String, String>;

    fn handle(&mut self, Say(text): Say, cx: &mut Context<Self>) -> Result<String, String> {
        self.answer(&text).map_err(|error| {
            cx.rollback();
            // The first line: the others are a trace.
            error.to_string().lines().next().unwrap_or_default().to_owned()
        })
    }
}

/// Gives a bot another script. What it remembers stays.
struct Learn(String);

impl Handler<Learn> for Bot {
    type Reply = Result<(), String>;

    fn handle(&mut self, Learn(script): Learn, cx: &mut Context<Self>) -> Result<(), String> {
        self.script = script;
        self.start_engine().map_err(|error| {
            cx.rollback();
            error.to_string()
        })
    }
}

const PARROT: &str = r#"
    function answer(text)
        memory.heard = (memory.heard or 0) + 1
        local before = memory.last or "nothing"
        memory.last = text
        return ("message %d: %s; before it: %s"):format(memory.heard, text, before)
    end
"#;

const TROUBLE: &str = r#"
    function answer(text)
        memory.heard = -1
        if text == "loop" then while true do end end
        error("I do not know " .. text)
    end
"#;

fn main() -> Result<(), BoxError> {
    let system = System::builder(StdRegistry::new(), FsStorage::open("lua-data")?).build()?;
    let parrot = system.handle::<Bot>("parrot", PARROT.to_owned());
    let say = |text: &str| -> Result<String, BoxError> {
        Ok(parrot.call(Say(text.to_owned()))?.unwrap_or_else(|error| format!("failed: {error}")))
    };
    println!("{}", say("hello")?);
    parrot.petrify()?;
    println!("{}", say("you were stone")?);
    parrot.call(Learn(TROUBLE.to_owned()))??;
    println!("{}", say("poetry")?);
    println!("{}", say("loop")?);
    let refused = parrot.call(Learn("this is no Lua".to_owned()))?;
    println!("a script that is none is refused: {}", refused.is_err());
    parrot.call(Learn(PARROT.to_owned()))??;
    println!("{}", say("goodbye")?);
    system.shutdown(std::time::Duration::from_secs(10))?;
    Ok(())
}
