(component
  (component
    (core module $code
      (memory (export "memory") 16)
      ;; module

      (data (i32.const 16) "{}")
      (data (i32.const 24) "{}")
      (global $free (mut i32) (i32.const 4096))

      ;; Memory for what the host hands over: it is never given back.
      (func (export "realloc") (param $old i32) (param $size i32) (param $align i32) (param $new i32) (result i32)
        (local $at i32)
        (local.set $at (i32.and (i32.add (global.get $free) (i32.const 7)) (i32.const -8)))
        (global.set $free (i32.add (local.get $at) (local.get $new)))
        (local.get $at))

      ;; A string: where it is, and its length.
      (func $text (result i32)
        (i32.store (i32.const 0) (i32.const 16))
        (i32.store (i32.const 4) (i32.const 2))
        (i32.const 0))
      (func $state (result i32)
        (i32.store (i32.const 8) (i32.const 24))
        (i32.store (i32.const 12) (i32.const 2))
        (i32.const 8))

      ;; result<_, string>: ok.
      (func $ok (result i32)
        (i32.store (i32.const 32) (i32.const 0))
        (i32.const 32))

      ;; result<option<u64>, string>: ok, and no tick.
      (func $no-tick (result i32)
        (i64.store (i32.const 64) (i64.const 0))
        (i64.store (i32.const 72) (i64.const 0))
        (i32.const 64))

      (func (export "on-event") (param i32 i32 i32 i32) (result i32) (call $no-tick))
      (func (export "on-tick") (param i32 i32) (result i32) (call $no-tick))
      (func (export "schema") (result i32) (call $text))
      (func (export "load") (param i32 i32) (result i32) (call $ok))
      (func (export "save") (result i32) (call $state))
      (func (export "restore") (param i32 i32 i32 i32 i64) (result i32) (call $ok)))

    ;; imports

    (core instance $i (instantiate $code))
    (alias core export $i "memory" (core memory $memory))
    (alias core export $i "realloc" (core func $realloc))

    (func $on-event (param "name" string) (param "payload" string) (result (result (option u64) (error string)))
      (canon lift (core func $i "on-event") (memory $memory) (realloc $realloc)))
    (export "on-event" (func $on-event))

    (func $on-tick (param "due" (list string)) (result (result (option u64) (error string)))
      (canon lift (core func $i "on-tick") (memory $memory) (realloc $realloc)))
    (export "on-tick" (func $on-tick))

    (func $schema (result string) (canon lift (core func $i "schema") (memory $memory)))
    (func $load (param "document" string) (result (result (error string)))
      (canon lift (core func $i "load") (memory $memory) (realloc $realloc)))
    (instance $settings (export "schema" (func $schema)) (export "load" (func $load)))
    (export "glassbox:tracker/settings@2.0.0" (instance $settings))

    (func $save (result string) (canon lift (core func $i "save") (memory $memory)))
    (type $heard (record (field "name" string) (field "payload" string) (field "age-ms" u64)))
    (func $restore
      (param "heard" (list $heard)) (param "state" string) (param "age-ms" u64) (result (result (error string)))
      (canon lift (core func $i "restore") (memory $memory) (realloc $realloc)))
    (instance $handover
      (export "heard" (type $heard)) (export "save" (func $save)) (export "restore" (func $restore)))
    (export "glassbox:tracker/handover@2.0.0" (instance $handover))))
