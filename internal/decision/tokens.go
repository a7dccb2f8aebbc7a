package decision

import (
	"context"
	"errors"
	"fmt"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apiserver/pkg/apis/apiserver"
	"k8s.io/apiserver/pkg/apis/apiserver/install"
	apiservervalidation "k8s.io/apiserver/pkg/apis/apiserver/validation"
	"k8s.io/apiserver/pkg/authentication/authenticator"
	authenticationcel "k8s.io/apiserver/pkg/authentication/cel"
	tokenunion "k8s.io/apiserver/pkg/authentication/token/union"
	"k8s.io/apiserver/pkg/server/dynamiccertificates"
	"k8s.io/apiserver/plugin/pkg/authenticator/token/oidc"
)

// NewTokens returns an authenticator of users by JWT, configured like the jwt section of a Kubernetes
// AuthenticationConfiguration. It fetches the keys of the issuers until the context ends. The tokens of an issuer
// are invalid until its keys have been fetched.
func NewTokens(ctx context.Context, configuration []byte) (authenticator.Token, error) {
	parsed, err := parseAuthentication(configuration)
	if err != nil {
		return nil, err
	}
	compiler := authenticationcel.NewDefaultCompiler()
	if err := apiservervalidation.ValidateAuthenticationConfiguration(compiler, parsed, nil).ToAggregate(); err != nil {
		return nil, err
	}
	var all []authenticator.Token
	for i := range parsed.JWT {
		made := oidc.Options{
			JWTAuthenticator: parsed.JWT[i], SupportedSigningAlgs: oidc.AllValidSigningAlgorithms(), Compiler: compiler,
		}
		if authorities := parsed.JWT[i].Issuer.CertificateAuthority; authorities != "" {
			if made.CAContentProvider, err = dynamiccertificates.NewStaticCAContent("issuer", []byte(authorities)); err != nil {
				return nil, fmt.Errorf("jwt[%d].issuer.certificateAuthority: %w", i, err)
			}
		}
		tokens, err := oidc.New(ctx, made)
		if err != nil {
			return nil, fmt.Errorf("jwt[%d]: %w", i, err)
		}
		all = append(all, tokens)
	}
	return tokenunion.New(all...), nil
}

func parseAuthentication(text []byte) (*apiserver.AuthenticationConfiguration, error) {
	scheme := runtime.NewScheme()
	install.Install(scheme)
	decoded, err := runtime.Decode(serializer.NewCodecFactory(scheme, serializer.EnableStrict).UniversalDecoder(), text)
	if err != nil {
		return nil, err
	}
	parsed, ok := decoded.(*apiserver.AuthenticationConfiguration)
	switch {
	case !ok:
		return nil, fmt.Errorf("the kind is %s: must be AuthenticationConfiguration", decoded.GetObjectKind().GroupVersionKind().Kind)
	case len(parsed.JWT) == 0:
		return nil, errors.New("jwt has no entry: name at least one issuer")
	case parsed.Anonymous != nil:
		return nil, errors.New("anonymous is set: there are no anonymous users, so remove it")
	}
	return parsed, nil
}
