"""Our WSDL document, written from the same table as the decoder."""

from __future__ import annotations

import re

from connectors.qbwc.soap import METHODS, NAMESPACE, Method, escaped

_RETURNS = {
    "text": '<s:element minOccurs="0" maxOccurs="1" name="{0}Result" type="s:string"/>',
    "integer": '<s:element minOccurs="1" maxOccurs="1" name="{0}Result" type="s:int"/>',
    "strings": '<s:element minOccurs="0" maxOccurs="1" name="{0}Result" type="tns:ArrayOfString"/>',
}
_ARRAY = (
    '<s:complexType name="ArrayOfString"><s:sequence>'
    '<s:element minOccurs="0" maxOccurs="unbounded" name="string" nillable="true" type="s:string"/>'
    "</s:sequence></s:complexType>"
)
# A host name, a port, and nothing that could close an attribute: the value comes from the caller's own Host header.
_HOST = re.compile(r"[A-Za-z0-9.-]{1,253}(:[0-9]{1,5})?")


def location(host: str, path: str, *, secure: bool) -> str:
    """The address to name in the WSDL, from what the caller asked for."""
    name = host if _HOST.fullmatch(host) else "localhost"
    return f"{'https' if secure else 'http'}://{name}{path or '/'}"


def wsdl(address: str) -> bytes:
    """The whole document, naming `address` as the service's place."""
    methods = METHODS.values()
    return "".join(
        (
            '<?xml version="1.0" encoding="utf-8"?>',
            '<wsdl:definitions xmlns:wsdl="http://schemas.xmlsoap.org/wsdl/" ',
            'xmlns:soap="http://schemas.xmlsoap.org/wsdl/soap/" ',
            f'xmlns:s="http://www.w3.org/2001/XMLSchema" xmlns:tns="{NAMESPACE}" targetNamespace="{NAMESPACE}">',
            f'<wsdl:types><s:schema elementFormDefault="qualified" targetNamespace="{NAMESPACE}">',
            *map(_elements, methods),
            _ARRAY,
            "</s:schema></wsdl:types>",
            *map(_messages, methods),
            '<wsdl:portType name="QBWebConnectorSvcSoap">',
            *map(_port_operation, methods),
            "</wsdl:portType>",
            '<wsdl:binding name="QBWebConnectorSvcSoap" type="tns:QBWebConnectorSvcSoap">',
            '<soap:binding transport="http://schemas.xmlsoap.org/soap/http"/>',
            *map(_binding_operation, methods),
            "</wsdl:binding>",
            '<wsdl:service name="QBWebConnectorSvc">',
            '<wsdl:port name="QBWebConnectorSvcSoap" binding="tns:QBWebConnectorSvcSoap">',
            f'<soap:address location="{escaped(address).replace(chr(34), "&quot;")}"/>',
            "</wsdl:port></wsdl:service></wsdl:definitions>",
        )
    ).encode()


def _elements(method: Method) -> str:
    parameters = "".join(
        f'<s:element minOccurs="{1 if kind == "int" else 0}" maxOccurs="1" name="{name}" type="s:{kind}"/>'
        for name, kind in method.parameters
    )
    inner = f"<s:sequence>{parameters}</s:sequence>" if parameters else ""
    return (
        f'<s:element name="{method.name}"><s:complexType>{inner}</s:complexType></s:element>'
        f'<s:element name="{method.name}Response"><s:complexType><s:sequence>'
        f"{_RETURNS[method.returns].format(method.name)}</s:sequence></s:complexType></s:element>"
    )


def _messages(method: Method) -> str:
    return "".join(
        f'<wsdl:message name="{method.name}Soap{way}">'
        f'<wsdl:part name="parameters" element="tns:{element}"/></wsdl:message>'
        for way, element in (("In", method.name), ("Out", f"{method.name}Response"))
    )


def _port_operation(method: Method) -> str:
    name = method.name
    return (
        f'<wsdl:operation name="{name}"><wsdl:input message="tns:{name}SoapIn"/>'
        f'<wsdl:output message="tns:{name}SoapOut"/></wsdl:operation>'
    )


def _binding_operation(method: Method) -> str:
    literal = '<soap:body use="literal"/>'
    return (
        f'<wsdl:operation name="{method.name}"><soap:operation soapAction="{NAMESPACE}{method.name}" style="document"/>'
        f"<wsdl:input>{literal}</wsdl:input><wsdl:output>{literal}</wsdl:output></wsdl:operation>"
    )
