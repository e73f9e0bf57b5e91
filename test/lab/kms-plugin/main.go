// The PKCS #11 seal of OpenBao as a program of its own: published modules, put together.
package main

import (
	"github.com/openbao/go-kms-wrapping/plugin/v2"
	wrapping "github.com/openbao/go-kms-wrapping/v2"
	"github.com/openbao/go-kms-wrapping/wrappers/pkcs11/v2"
)

func main() {
	plugin.Serve(&plugin.ServeOpts{
		WrapperFactoryFunc: func() wrapping.Wrapper { return pkcs11.NewWrapper() },
	})
}
