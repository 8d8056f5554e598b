(component
  (import "wasi:filesystem/types@0.2.0" (instance))
  (import "glassbox:tracker/http@3.0.0" (instance))
  (import "glassbox:tracker/throttle@2.0.0" (instance (export "query" (func (result string)))))
  (core module $m (func (export "f")))
  (core instance $i (instantiate $m))
  (func $f (canon lift (core func $i "f")))
  (export "on-event" (func $f)))
