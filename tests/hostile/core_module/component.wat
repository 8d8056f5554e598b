(module (func (export "on-tick")))
