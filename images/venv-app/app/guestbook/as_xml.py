import xml.etree.ElementTree as etree


def written(entries):
    root = etree.Element("book")
    for entry in entries:
        etree.SubElement(root, "guest", number=str(entry["number"])).text = entry["name"]
    return etree.tostring(root, encoding="unicode")
